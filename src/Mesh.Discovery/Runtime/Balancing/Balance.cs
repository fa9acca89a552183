namespace Mesh.Discovery.Runtime.Balancing;

/// <summary>How a destination's traffic is shared out.</summary>
/// <param name="Settings">What decided that; null if only weights and warm-up did.</param>
/// <param name="Groups">The groups, in order of preference where there is one. Some have no share.</param>
/// <param name="Weights">The effective weight of each candidate, 0 for those that take no traffic.</param>
internal sealed record Balance(BalanceSettings? Settings, IReadOnlyList<BalanceGroup> Groups, double[] Weights);
