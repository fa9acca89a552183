using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul.Intentions;

/// <summary>
/// Learns what Consul does with calls that no intention is about. No list says it, so the agent is asked about a caller that does not
/// exist, in the way in which Consul's proxies ask about theirs.
/// </summary>
internal sealed partial class ConsulIntentionDefault(ConsulConnection consul, string service, Action changed)
{
    private const string Path = "/v1/agent/connect/authorize";
    private const string Nobody = "mesh-asks-for-the-default";

    /// <summary>The agent answers from a cache of its own, which may be a moment behind.</summary>
    private const int Tries = 4;

    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _asked = new(0, 1);
    private volatile IntentionDefaultConfig? _rule;
    private bool _hasFailed;

    /// <summary>What is known; null if nothing is.</summary>
    public IntentionDefaultConfig? Rule => _rule;

    /// <summary>Takes what an earlier run of the process learnt.</summary>
    public void Restore()
    {
        if (_rule is null && consul.Saved.Load(Path) is { } saved && Read(saved.Body) is { IsDefault: true } answer)
        {
            Set(answer.Authorized);
        }
    }

    /// <summary>Asks once, before the first intentions are used.</summary>
    public async Task AskFirstAsync(CancellationToken cancel)
    {
        if (_rule is null && await AskAsync(cancel).ConfigureAwait(false) is null)
        {
            Restore();
        }
    }

    /// <summary>Asks again soon: intentions have changed.</summary>
    public void AskAgain()
    {
        if (_asked.CurrentCount == 0)
        {
            _asked.Release();
        }
    }

    /// <summary>Asks whenever it is told to, and on after failures, until cancelled; ends without an exception then.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (true)
            {
                await _asked.WaitAsync(stop).ConfigureAwait(false);
                var pause = s_firstPause;
                for (var attempt = 1; ; attempt++)
                {
                    var before = _rule;
                    var answer = await AskAsync(stop).ConfigureAwait(false);
                    if (!ReferenceEquals(before, _rule))
                    {
                        changed();
                    }

                    if (answer is { IsDefault: true } || (answer is not null && attempt >= Tries))
                    {
                        break;
                    }

                    await Task.Delay(pause * (0.5 + consul.Random.NextDouble()), consul.Time, stop).ConfigureAwait(false);
                    pause = answer is not null ? s_firstPause : pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of every watch.
        }
    }

    /// <returns>Null if there is no answer.</returns>
    private async Task<AuthorizeAnswer?> AskAsync(CancellationToken cancel)
    {
        var datacenter = consul.Options.Datacenter.Length > 0 ? consul.Options.Datacenter : "dc1";
        var question = new AuthorizeQuestion(service, $"spiffe://mesh.invalid/ns/default/dc/{datacenter}/svc/{Nobody}", "00");
        try
        {
            var body = await consul.Client.SendAsync(
                HttpMethod.Post,
                Path,
                JsonSerializer.SerializeToUtf8Bytes(question, ConsulChainJson.Default.AuthorizeQuestion),
                $"service \"{service}\" {{ policy = \"write\" }}",
                cancel).ConfigureAwait(false);
            var answer = Read(body) ?? throw new ConsulException($"Consul at {consul.Client.Agent} answered POST {Path} with what is not the JSON that was asked for.");
            if (answer.IsDefault)
            {
                Set(answer.Authorized);
                consul.Saved.Save(Path, body);
            }

            _hasFailed = false;
            return answer;
        }
        catch (ConsulException e)
        {
            if (!_hasFailed)
            {
                Log.NotLearnt(consul.Logger, service, _rule is { Allow: false } ? "denied, as it was before" : "allowed", e.Message);
            }

            _hasFailed = true;
            return null;
        }
    }

    private static AuthorizeAnswer? Read(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ConsulChainJson.Default.AuthorizeAnswer);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private void Set(bool allow)
    {
        if (_rule?.Allow != allow)
        {
            var location = new SourceLocation("consul intentions/default", "", 0, "IntentionDefault");
            _rule = new IntentionDefaultConfig { Name = "consul:default", Namespace = "", Location = location, Allow = allow };
        }
    }

    private static partial class Log
    {
        [LoggerMessage(352, LogLevel.Warning, "Consul's default for callers of {Service} that no intention is about cannot be learnt; they are {Verdict}. {Error}")]
        public static partial void NotLearnt(ILogger logger, string service, string verdict, string error);
    }
}

/// <summary>Whether a caller with that identity may call the service.</summary>
internal sealed record AuthorizeQuestion(string Target, [property: JsonPropertyName("ClientCertURI")] string ClientCertUri, string ClientCertSerial);

internal sealed record AuthorizeAnswer(bool Authorized, string? Reason)
{
    /// <summary>Whether no intention decided, such as one for all callers: <c>Matched L4 intention: …</c>.</summary>
    [JsonIgnore]
    public bool IsDefault => Reason?.StartsWith("Matched", StringComparison.OrdinalIgnoreCase) != true;
}
