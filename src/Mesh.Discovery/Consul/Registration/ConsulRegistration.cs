using System.Net;
using Mesh.Discovery.Catalogs;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul.Registration;

/// <summary>
/// One instance in Consul: registered, watched, registered again whenever the agent lost it, withdrawn when disposed.
/// </summary>
/// <remarks>
/// One loop does everything, so that nothing overtakes anything. It asks the agent for the instance and lets it hold
/// the query: a loss is answered at once (404), a stop of the agent breaks the connection. After any failure it looks
/// again after a jittered pause, from 250 ms to at most 2 s. Whenever a query ends without news it makes sure of the
/// check: it reports for a TTL check, which is why the query is then held for a third of the interval only, and looks
/// for it otherwise. What somebody else changes in the instance (tags, weights, maintenance) is left alone. Each loss,
/// failure and recovery is logged once.
/// </remarks>
internal sealed partial class ConsulRegistration : IAsyncDisposable
{
    public static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(250);

    public static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Between looks at an agent that does not hold queries.</summary>
    private static readonly TimeSpan s_pollPause = TimeSpan.FromSeconds(1);

    private readonly ConsulClient _client;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger _logger;
    private readonly ServiceInstance _instance;
    private readonly byte[] _body;
    private readonly ConsulCheckType _checkType;
    private readonly TimeSpan _wait;
    private readonly string _right;
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;
    private int _disposed;
    private bool _isLost;
    private Problem _problem;

    private ConsulRegistration(
        ConsulClient client,
        ConsulOptions options,
        TimeProvider time,
        IRandomSource random,
        ILogger logger,
        ServiceInstance instance)
    {
        _client = client;
        _time = time;
        _random = random;
        _logger = logger;
        _instance = instance;
        _body = RegistrationBody.Create(instance, options);
        _checkType = RegistrationBody.CheckType(instance, options.Check);
        var report = options.Check.Interval / 3;
        _wait = _checkType == ConsulCheckType.Ttl && report < options.WaitTime ? report : options.WaitTime;
        _right = $"service \"{instance.Service.Name}\" {{ policy = \"write\" }}";
    }

    /// <summary>Registers the instance and keeps it registered.</summary>
    /// <exception cref="ConsulException">The agent could not be reached, or refused.</exception>
    /// <exception cref="OperationCanceledException">It is not registered.</exception>
    public static async Task<ConsulRegistration> StartAsync(
        ConsulClient client,
        ConsulOptions options,
        TimeProvider time,
        IRandomSource random,
        ILogger logger,
        ServiceInstance instance,
        CancellationToken cancel)
    {
        var registration = new ConsulRegistration(client, options, time, random, logger, instance);
        cancel.ThrowIfCancellationRequested();
        await registration.RegisterAsync().ConfigureAwait(false);
        if (registration._checkType != options.Check.Type)
        {
            Log.Reports(logger, instance.Service, instance.Id, options.Check.Type);
        }

        if (cancel.IsCancellationRequested)
        {
            await registration.DisposeAsync().ConfigureAwait(false);
            throw new OperationCanceledException(cancel);
        }

        // The loop must not carry the caller's trace or other ambient state along for the life of the process.
        using (ExecutionContext.SuppressFlow())
        {
            registration._loop = Task.Run(registration.RunAsync, CancellationToken.None);
        }

        return registration;
    }

    /// <summary>Withdraws the instance.</summary>
    /// <exception cref="ConsulException">The agent could not be reached, or refused.</exception>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _stop.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _stop.Dispose();
        try
        {
            var path = $"/v1/agent/service/deregister/{Uri.EscapeDataString(_instance.Id)}";
            await _client.SendAsync(HttpMethod.Put, path, null, _right, CancellationToken.None).ConfigureAwait(false);
        }
        catch (ConsulException e) when (IsUnknown(e, "Unknown service"))
        {
            // Somebody else was faster.
        }
    }

    private async Task RunAsync()
    {
        var hash = "";
        var failures = 0;
        while (!_stop.IsCancellationRequested)
        {
            var pause = TimeSpan.Zero;
            try
            {
                hash = await LookAsync(hash).ConfigureAwait(false);
                failures = 0;
                pause = hash.Length == 0 ? s_pollPause : TimeSpan.Zero;
                Works();
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Also what nobody foresaw: without this loop the instance would be gone for good after the next restart.
                hash = "";
                pause = Pause(failures++);
                Fails(e);
            }

            if (pause > TimeSpan.Zero)
            {
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Waits for news of the instance and registers it again if it is not there.</summary>
    /// <returns>What to wait from next.</returns>
    private async Task<string> LookAsync(string hash)
    {
        var started = _time.GetTimestamp();
        if (await FindAsync(hash).ConfigureAwait(false) is not { } found)
        {
            Lost();
            await RegisterAsync().ConfigureAwait(false);
            Restored();
            return await FindAsync("").ConfigureAwait(false) ?? "";
        }

        if (!await HasCheckAsync().ConfigureAwait(false))
        {
            Lost();
            await RegisterAsync().ConfigureAwait(false);
            Restored();
        }

        // An agent that answers at once although nothing changed is polled.
        var isHeld = found != hash || _time.GetElapsedTime(started) * 2 >= _wait;
        return isHeld ? found : "";
    }

    /// <returns>The hash of its content; null if the agent does not know it.</returns>
    private async Task<string?> FindAsync(string hash)
    {
        var path = $"/v1/agent/service/{Uri.EscapeDataString(_instance.Id)}";
        try
        {
            var query = new ConsulQuery<AgentService>(path, ConsulJson.Default.AgentService, _right);
            return (await _client.WatchAsync(query, hash, _wait, _stop.Token).ConfigureAwait(false)).ContentHash;
        }
        catch (ConsulException e) when (e.Status == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    private async Task<bool> HasCheckAsync()
    {
        if (_checkType == ConsulCheckType.None)
        {
            return true;
        }

        var id = RegistrationBody.CheckId(_instance);
        if (_checkType == ConsulCheckType.Ttl)
        {
            try
            {
                var path = $"/v1/agent/check/pass/{Uri.EscapeDataString(id)}";
                await _client.SendAsync(HttpMethod.Put, path, null, _right, _stop.Token).ConfigureAwait(false);
                return true;
            }
            catch (ConsulException e) when (IsUnknown(e, "Unknown check") || IsUnknown(e, "associated TTL"))
            {
                return false;
            }
        }

        var filter = Uri.EscapeDataString($"CheckID == \"{id}\"");
        var query = new ConsulQuery<Dictionary<string, AgentCheckState>>(
            $"/v1/agent/checks?filter={filter}", ConsulJson.Default.DictionaryStringAgentCheckState, _right);
        return (await _client.WatchAsync(query, "", default, _stop.Token).ConfigureAwait(false)).ContainsKey(id);
    }

    /// <summary>Not cancelled while under way: it might land after the withdrawal that follows.</summary>
    private Task RegisterAsync() => _client.SendAsync(
        HttpMethod.Put, "/v1/agent/service/register?replace-existing-checks=true", _body, _right, CancellationToken.None);

    private TimeSpan Pause(int failures)
    {
        var longest = Math.Min(FirstPause.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 10)), LongestPause.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(longest * (0.5 + (_random.NextDouble() / 2)));
    }

    /// <summary>Consul answers 404 or, before 1.12, 500 with a text.</summary>
    private static bool IsUnknown(ConsulException e, string text) =>
        e.Status == HttpStatusCode.NotFound
        || (e.Status == HttpStatusCode.InternalServerError && e.Message.Contains(text, StringComparison.Ordinal));

    private void Lost()
    {
        if (!_isLost)
        {
            _isLost = true;
            Log.Lost(_logger, _client.Agent, _instance.Service, _instance.Id);
        }
    }

    private void Restored()
    {
        _isLost = false;
        Log.Restored(_logger, _instance.Service, _client.Agent, _instance.Id);
    }

    private void Works()
    {
        if (_problem != Problem.None)
        {
            _problem = Problem.None;
            Log.Recovered(_logger, _client.Agent, _instance.Service, _instance.Id);
        }
    }

    private void Fails(Exception e)
    {
        var problem = e switch
        {
            ConsulException { Status: >= HttpStatusCode.BadRequest and < HttpStatusCode.InternalServerError } => Problem.Refused,
            ConsulException => Problem.OutOfReach,
            _ => Problem.Unexpected,
        };
        if (problem == _problem)
        {
            return;
        }

        _problem = problem;
        if (problem == Problem.OutOfReach)
        {
            Log.OutOfReach(_logger, _client.Agent, _instance.Service, _instance.Id, e);
        }
        else
        {
            Log.Failed(_logger, _client.Agent, _instance.Service, _instance.Id, e);
        }
    }

    /// <summary>Why the loop does not get on.</summary>
    private enum Problem
    {
        None,
        OutOfReach,
        Refused,
        Unexpected,
    }
}
