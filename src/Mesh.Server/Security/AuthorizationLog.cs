using Mesh.Discovery.Rules.Reading;
using Mesh.Discovery.Security.Authorization;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Security;

/// <summary>Tells what rules did with requests; of each sort at most 20 lines a second, and then how many were left out.</summary>
/// <remarks>Safe for concurrent use. What callers send is cut and quoted.</remarks>
internal sealed partial class AuthorizationLog(TimeProvider time, ILogger<AuthorizationLog> logger)
{
    public const int MaxLines = 20;

    private readonly LineLimit _denied = new(time, MaxLines);
    private readonly LineLimit _shadow = new(time, MaxLines);
    private readonly LineLimit _audit = new(time, MaxLines);

    public void Denied(in RequestFacts request, RuleHit hit)
    {
        if (_denied.TryTake(out var leftOut))
        {
            Log.Denied(
                logger, Caller(in request), RuleText.Quote(request.Method), Path(in request), hit.Policy, hit.Rule, hit.Reason, leftOut);
        }
    }

    public void WouldDeny(in RequestFacts request, RuleHit hit)
    {
        if (_shadow.TryTake(out var leftOut))
        {
            Log.WouldDeny(
                logger, Caller(in request), RuleText.Quote(request.Method), Path(in request), hit.Policy, hit.Rule, hit.Reason, leftOut);
        }
    }

    public void Audited(in RequestFacts request, RuleHit hit)
    {
        if (_audit.TryTake(out var leftOut))
        {
            Log.Audited(
                logger, Caller(in request), RuleText.Quote(request.Method), Path(in request), hit.Policy, hit.Rule, hit.Reason, leftOut);
        }
    }

    /// <summary>The path as it came, since what it was mangled for is what somebody wants to know; without the query.</summary>
    private static string Path(in RequestFacts request) => RuleText.Quote(request.Path.Written);

    private static string Caller(in RequestFacts request)
    {
        var caller = request.Peer?.ToString() ?? "a caller without identity";
        var address = request.SourceAddress is { } known ? $"{caller} at {known}" : caller;
        return request.Principal is { } principal ? $"{address} for {RuleText.Quote(principal)}" : address;
    }

    private static partial class Log
    {
        [LoggerMessage(2040, LogLevel.Warning, "Denied {Caller}: {Method} {Path}, by {Policy} (rule {Rule}): {Reason}.{LeftOut}")]
        public static partial void Denied(
            ILogger logger, string caller, string method, string path, string policy, int rule, string reason, string leftOut);

        [LoggerMessage(2041, LogLevel.Information, "Would deny {Caller}: {Method} {Path}, by {Policy} (rule {Rule}), which is only tried: {Reason}.{LeftOut}")]
        public static partial void WouldDeny(
            ILogger logger, string caller, string method, string path, string policy, int rule, string reason, string leftOut);

        [LoggerMessage(2042, LogLevel.Information, "Audit of {Caller}: {Method} {Path}, by {Policy} (rule {Rule}): {Reason}.{LeftOut}")]
        public static partial void Audited(
            ILogger logger, string caller, string method, string path, string policy, int rule, string reason, string leftOut);
    }
}
