using System.Collections.Frozen;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Knows all policies, built-in and registered, and makes pickers. Safe for concurrent use.</summary>
internal sealed class LoadBalancerFactory
{
    private static readonly ILoadBalancingPolicy s_ringHash = new RingHashLoadBalancingPolicy();
    private static readonly ILoadBalancingPolicy s_maglev = new MaglevLoadBalancingPolicy();

    private readonly FrozenDictionary<string, ILoadBalancingPolicy> _policies;
    private readonly ILoadBalancingPolicy _default = new LeastRequestLoadBalancingPolicy();
    private readonly IRandomSource _random;
    private readonly TimeProvider _time;

    /// <exception cref="InvalidOperationException">Registered policies have no name, or one that is taken.</exception>
    public LoadBalancerFactory(IEnumerable<ILoadBalancingPolicy> registered, IRandomSource random, TimeProvider time)
    {
        _random = random;
        _time = time;
        var policies = new Dictionary<string, ILoadBalancingPolicy>(StringComparer.OrdinalIgnoreCase);
        ILoadBalancingPolicy[] own =
        [
            _default,
            new PeakEwmaLoadBalancingPolicy(),
            new RoundRobinLoadBalancingPolicy(),
            new RandomLoadBalancingPolicy(),
        ];
        foreach (var policy in own)
        {
            policies.Add(policy.Name, policy);
        }

        var errors = new List<string>();
        foreach (var policy in registered)
        {
            if (Refusal(policy, policies) is { } error)
            {
                errors.Add(error);
            }
            else
            {
                policies.Add(policy.Name, policy);
            }
        }

        if (errors.Count > 0)
        {
            throw new InvalidOperationException(string.Join(Environment.NewLine, errors));
        }

        _policies = policies.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        Names = policies.Keys.Append(LoadBalancingPolicies.Passthrough)
            .ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>What <c>simple</c> may name, in any case.</summary>
    public IReadOnlySet<string> Names { get; }

    /// <summary>The policy that a rule asks for; without a rule, the default.</summary>
    /// <exception cref="ArgumentException">There is no such policy, or the rule wants no balancing.</exception>
    public ILoadBalancingPolicy PolicyOf(LoadBalancerConfig? config)
    {
        if (config?.ConsistentHash is { } hash)
        {
            return hash.Maglev ? s_maglev : s_ringHash;
        }

        if (config?.Simple is not { } name)
        {
            return _default;
        }

        return _policies.TryGetValue(name, out var policy) ? policy : throw new ArgumentException(
            $"{config.Location}: there is no picker for the load balancer '{name}'. " +
            $"There is one for {string.Join(", ", _policies.Keys.Order(StringComparer.Ordinal))}.",
            nameof(config));
    }

    /// <summary>Makes the picker of one destination.</summary>
    /// <param name="endpoints">
    /// At least one; not changed afterwards. Either all weights are above zero, or all are zero.
    /// </param>
    /// <param name="config">The rule, if there is one.</param>
    /// <param name="sourceAddress">The address of this process.</param>
    /// <param name="weights">Their effective weights; null for those that the catalog gives them.</param>
    /// <exception cref="ArgumentException">As <see cref="PolicyOf"/>.</exception>
    public EndpointPicker CreatePicker(
        EndpointState[] endpoints, LoadBalancerConfig? config, string sourceAddress, int[]? weights = null) =>
        PolicyOf(config).CreatePicker(new LoadBalancingContext(endpoints, config, _random, _time, sourceAddress, weights));

    private static string? Refusal(ILoadBalancingPolicy policy, Dictionary<string, ILoadBalancingPolicy> taken)
    {
        if (string.IsNullOrWhiteSpace(policy.Name))
        {
            return $"The load-balancing policy {policy.GetType()} has no name.";
        }

        string[] reserved =
            [LoadBalancingPolicies.RingHash, LoadBalancingPolicies.Maglev, LoadBalancingPolicies.Passthrough];
        var owner = taken.TryGetValue(policy.Name, out var other) ? other.GetType().ToString()
            : reserved.Contains(policy.Name, StringComparer.OrdinalIgnoreCase) ? "the mesh"
            : null;
        return owner is null ? null
            : $"The name '{policy.Name}' of the load-balancing policy {policy.GetType()} is taken by {owner}.";
    }
}
