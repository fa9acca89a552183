using System.Globalization;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>When and how often a failed attempt is followed by another one.</summary>
/// <param name="Attempts">Further attempts after the first.</param>
/// <param name="PerTryTimeout">Null: the default; zero: none.</param>
/// <param name="Conditions">What is retried.</param>
/// <param name="Statuses">Statuses for <see cref="RetryConditions.StatusCodes"/>.</param>
/// <param name="AnyMethod">
/// Whether the route itself asked for these conditions: they then hold for every method, as in Istio. Otherwise what
/// may have been processed is repeated only if the method is idempotent.
/// </param>
internal sealed record RetryPolicy(
    int Attempts, TimeSpan? PerTryTimeout, RetryConditions Conditions, int[] Statuses, bool AnyMethod)
{
    private const RetryConditions DefaultConditions =
        RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.Reset | RetryConditions.StatusCodes;

    private static readonly int[] s_defaultStatuses = [503];

    /// <summary>Istio's words, and what they stand for here.</summary>
    private static readonly Dictionary<string, RetryConditions> s_words = new(StringComparer.OrdinalIgnoreCase)
    {
        ["5xx"] = RetryConditions.ServerError | RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.Reset,
        ["gateway-error"] = RetryConditions.GatewayError | RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.Reset,
        ["reset"] = RetryConditions.Reset | RetryConditions.ConnectFailure | RetryConditions.RefusedStream,
        ["reset-before-request"] = RetryConditions.ConnectFailure | RetryConditions.RefusedStream,
        ["connect-failure"] = RetryConditions.ConnectFailure,
        ["refused-stream"] = RetryConditions.RefusedStream,
        ["retriable-4xx"] = RetryConditions.Retriable4xx,
        ["retriable-status-codes"] = RetryConditions.StatusCodes,
        ["cancelled"] = RetryConditions.GrpcCancelled,
        ["deadline-exceeded"] = RetryConditions.GrpcDeadlineExceeded,
        ["internal"] = RetryConditions.GrpcInternal,
        ["resource-exhausted"] = RetryConditions.GrpcResourceExhausted,
        ["unavailable"] = RetryConditions.GrpcUnavailable,
    };

    /// <summary>
    /// What holds where no route says otherwise: Istio's two retries, for what is provably unsent and, with an idempotent
    /// method, for broken connections and 503.
    /// </summary>
    public static RetryPolicy Default(int attempts) => new(attempts, null, DefaultConditions, s_defaultStatuses, AnyMethod: false);

    public static RetryPolicy Create(RetryConfig? config, int defaultAttempts, IssueList issues)
    {
        if (config is null)
        {
            return Default(defaultAttempts);
        }

        if (string.IsNullOrWhiteSpace(config.RetryOn))
        {
            return Default(config.Attempts) with { PerTryTimeout = config.PerTryTimeout };
        }

        var conditions = RetryConditions.None;
        var statuses = new List<int>();
        foreach (var word in config.RetryOn.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (s_words.TryGetValue(word, out var condition))
            {
                conditions |= condition;
            }
            else if (int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var status) && status is >= 100 and <= 599)
            {
                conditions |= RetryConditions.StatusCodes;
                statuses.Add(status);
            }
            else
            {
                issues.Error(config.Location,
                    $"retryOn '{word}' is not known; allowed are status codes and {string.Join(", ", s_words.Keys)}");
            }
        }

        return new RetryPolicy(config.Attempts, config.PerTryTimeout, conditions, [.. statuses], AnyMethod: true);
    }
}
