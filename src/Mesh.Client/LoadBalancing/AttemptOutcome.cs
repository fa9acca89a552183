namespace Mesh.Client.LoadBalancing;

/// <summary>How an attempt went.</summary>
/// <param name="Latency">From the pick until the response's headers or the failure.</param>
/// <param name="Failed">
/// Whether there was no response, or one of 500 and above other than 501: failing fast must not look like being fast. An attempt that the
/// caller gave up is no failure of the endpoint.
/// </param>
/// <param name="EndedAt">A timestamp of <see cref="LoadBalancingContext.Time"/>, so that a policy need not ask the clock again.</param>
public readonly record struct AttemptOutcome(TimeSpan Latency, bool Failed, long EndedAt);
