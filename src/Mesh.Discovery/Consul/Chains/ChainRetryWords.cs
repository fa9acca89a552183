namespace Mesh.Discovery.Consul.Chains;

/// <summary>What of Consul's <c>RetryOn</c> is supported; <c>envoy-ratelimited</c> is not.</summary>
internal static class ChainRetryWords
{
    public static readonly IReadOnlySet<string> Supported = new HashSet<string>(StringComparer.Ordinal)
    {
        "5xx", "gateway-error", "reset", "connect-failure", "retriable-4xx", "refused-stream", "cancelled",
        "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    };
}
