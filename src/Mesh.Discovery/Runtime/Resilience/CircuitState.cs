namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>What a circuit breaker does with calls.</summary>
internal enum CircuitState
{
    /// <summary>They go through.</summary>
    Closed,

    /// <summary>They fail at once.</summary>
    Open,

    /// <summary>One is under way to find out; all others fail at once.</summary>
    HalfOpen,
}
