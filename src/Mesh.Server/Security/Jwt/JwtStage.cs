using System.Globalization;
using System.Text.Json;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Mesh.Discovery.Runtime;
using Mesh.Server.Inbound;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Security.Jwt;

/// <summary>Finds out whom a request is made for, by its token, if rules say whose tokens count.</summary>
/// <remarks>
/// A request without a token goes on, and has no <see cref="EndUser"/>; one with a token that is not good ends here. Without rules it
/// is a look at a field, and nothing that verifies tokens is loaded into the process.
/// </remarks>
internal sealed partial class JwtStage : IDisposable
{
    private static readonly TimeSpan s_logInterval = TimeSpan.FromSeconds(10);

    private readonly MeshRuntime _runtime;
    private readonly TimeProvider _time;
    private readonly MeshServerTelemetry _telemetry;
    private readonly ILogger<JwtStage> _logger;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long At, int LeftOut)> _logged = [];
    private volatile JwtVerifier? _verifier;
    private IReadOnlyList<JwtRuleConfig> _rules = [];
    private Dictionary<(Uri Address, string Issuer, TimeSpan Timeout), IssuerKeys> _fetched = [];
    private KeyFetcher? _fetcher;
    private bool _isDisposed;

    public JwtStage(MeshRuntime runtime, TimeProvider time, MeshServerTelemetry telemetry, ILogger<JwtStage> logger)
    {
        _runtime = runtime;
        _time = time;
        _telemetry = telemetry;
        _logger = logger;
        runtime.InboundChanged += Update;
        Update();
    }

    /// <summary>What comes before the given one.</summary>
    public RequestDelegate Before(RequestDelegate next) =>
        context => _verifier is { } verifier ? ServeAsync(verifier, context, next) : next(context);

    public void Dispose()
    {
        _runtime.InboundChanged -= Update;
        lock (_lock)
        {
            _isDisposed = true;
            _fetcher?.Dispose();
        }
    }

    private void Update()
    {
        lock (_lock)
        {
            // Read under the lock, so that the last one to come in has the newest.
            var rules = _runtime.Inbound.JwtRules;
            if (_isDisposed || rules.SequenceEqual(_rules, ReferenceEqualityComparer.Instance))
            {
                return;
            }

            _rules = rules;
            if (rules.Count == 0)
            {
                _verifier = null;
                _fetched = [];
            }
            else
            {
                Create_NeedsLock(rules);
            }
        }
    }

    /// <summary>A method of its own, so that the types that it needs are not loaded before.</summary>
    private void Create_NeedsLock(IReadOnlyList<JwtRuleConfig> rules)
    {
        var fetcher = _fetcher ??= new KeyFetcher(_time);
        var fetched = new Dictionary<(Uri, string, TimeSpan), IssuerKeys>();
        _verifier = new JwtVerifier(rules, KeysOf, _time);
        _fetched = fetched;

        // Keys that were fetched stay, whatever else changes in the rules.
        IssuerKeys KeysOf(JwtRuleConfig rule)
        {
            if (rule.Keys is not null)
            {
                return new IssuerKeys(rule, fetcher, _time, _logger);
            }

            var id = (KeyFetcher.AddressOf(rule), rule.Issuer, rule.Timeout);
            if (!fetched.TryGetValue(id, out var keys))
            {
                fetched[id] = keys = _fetched.GetValueOrDefault(id) ?? new IssuerKeys(rule, fetcher, _time, _logger);
            }

            return keys;
        }
    }

    private async Task ServeAsync(JwtVerifier verifier, HttpContext context, RequestDelegate next)
    {
        var request = context.Request;
        foreach (var header in verifier.OutputHeaders)
        {
            request.Headers.Remove(header);
        }

        var isClear = verifier.TryFind(request, out var found);
        if (isClear && found is null)
        {
            _telemetry.Authenticated("anonymous");
            await next(context);
            return;
        }

        var outcome = isClear ? await verifier.VerifyAsync(context, found!) : new JwtOutcome(JwtReasons.SeveralTokens, null);
        if (outcome.Rule is not { } rule)
        {
            await RefuseAsync(context, outcome);
            return;
        }

        _telemetry.Authenticated("accepted");
        Accept(context, rule, outcome.Token!, found!);
        await next(context);
    }

    private static void Accept(HttpContext context, JwtRuleConfig rule, ParsedToken token, IReadOnlyList<FoundToken> found)
    {
        context.Features.Set(new EndUser(token.Subject is { } subject ? $"{token.Issuer}/{subject}" : null, token.Claims));
        if (context.User.Identity is not { IsAuthenticated: true })
        {
            context.User = token.User!;
        }

        if (!rule.ForwardOriginalToken)
        {
            foreach (var one in found)
            {
                TokenFinder.Remove(context.Request, one.Location);
            }
        }

        var headers = context.Request.Headers;
        if (rule.OutputPayloadToHeader is { } payload)
        {
            headers[payload] = token.Payload;
        }

        foreach (var output in rule.OutputClaimToHeaders)
        {
            if (Find(token.Claims, output.Claim) is { } claim && TextOf(claim) is { Length: > 0 } text && !text.AsSpan().ContainsAnyInRange('\0', '\x1f')
                && !text.Contains('\x7f'))
            {
                headers[output.Header] = text;
            }
        }
    }

    /// <summary>A claim of that name, or, as in Envoy, one that is reached by the parts of the name.</summary>
    private static JsonElement? Find(JsonElement claims, string name)
    {
        if (claims.TryGetProperty(name, out var claim))
        {
            return claim;
        }

        claim = claims;
        foreach (var part in name.Split('.'))
        {
            if (claim.ValueKind != JsonValueKind.Object || !claim.TryGetProperty(part, out claim))
            {
                return null;
            }
        }

        return claim;
    }

    /// <summary>Of texts, numbers and truth values; nothing of others, as in Istio.</summary>
    private static string? TextOf(JsonElement claim) => claim.ValueKind switch
    {
        JsonValueKind.String => claim.GetString(),
        JsonValueKind.Number => claim.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    };

    private Task RefuseAsync(HttpContext context, JwtOutcome outcome)
    {
        var reason = outcome.Reason!;
        _telemetry.Authenticated("refused", reason);
        _telemetry.Refused(Refusal.BadToken);
        if (_logger.IsEnabled(LogLevel.Information) && MayLog(reason) is { } leftOut)
        {
            var issuer = outcome.Issuer is { } text ? RuleText.Quote(text) : "an issuer that is not known";
            Log.TokenRefused(
                _logger, reason, issuer, leftOut == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {leftOut} like it before were not logged."));
        }

        return Refusal.AnswerAsync(context, Refusal.BadToken);
    }

    /// <summary>How many of the reason were not told since the last; null if this one is not to be told either.</summary>
    private int? MayLog(string reason)
    {
        lock (_logged)
        {
            var now = _time.GetTimestamp();
            if (_logged.TryGetValue(reason, out var last) && _time.GetElapsedTime(last.At, now) < s_logInterval)
            {
                _logged[reason] = last with { LeftOut = last.LeftOut + 1 };
                return null;
            }

            _logged[reason] = (now, 0);
            return last.LeftOut;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2050, LogLevel.Information, "A token was refused: {Reason}. It names {Issuer}.{LeftOut}")]
        public static partial void TokenRefused(ILogger logger, string reason, string issuer, string leftOut);
    }
}
