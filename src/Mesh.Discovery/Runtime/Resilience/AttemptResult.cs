namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>What an attempt says of its endpoint.</summary>
internal enum AttemptResult
{
    /// <summary>It answers, if only to refuse the request.</summary>
    Good,

    /// <summary>500 or above, but none of the next.</summary>
    ServerError,

    /// <summary>502, 503 or 504.</summary>
    GatewayError,

    /// <summary>No response: no connection, broken, timed out.</summary>
    NoResponse,
}
