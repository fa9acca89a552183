namespace Mesh.Discovery.Rules;

/// <summary>The processes that a rule about requests served holds for (Istio: WorkloadSelector, PolicyTargetReference).</summary>
/// <param name="MatchLabels">All of these labels; none for all processes of the rule's namespace.</param>
/// <param name="Services">Any of these services of the rule's namespace; none for all.</param>
internal sealed record WorkloadSelector(Labels MatchLabels, IReadOnlyList<string> Services)
{
    public static readonly WorkloadSelector All = new(Labels.Empty, []);

    /// <summary>Whether it names some and leaves out others.</summary>
    public bool IsNarrow => MatchLabels.Count > 0 || Services.Count > 0;
}

/// <summary>What rules about requests served look at to find out whether they are about this process.</summary>
/// <param name="Service">Its service.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Labels">Its labels. If it has no label <c>app</c>, its service is that.</param>
/// <param name="RootNamespace">Rules of this namespace hold for all.</param>
internal sealed record Workload(string Service, string Namespace, Labels Labels, string RootNamespace)
{
    /// <summary>Whether it has certificates, and so knows its callers.</summary>
    public bool HasIdentity { get; init; }

    /// <summary>Other names of the own trust domain.</summary>
    public IReadOnlyList<string> TrustDomainAliases { get; init; } = [];

    public bool IsMeant(RuleConfig rule, WorkloadSelector selector)
    {
        var isRoot = rule.Namespace.Equals(RootNamespace, StringComparison.OrdinalIgnoreCase);
        if (!isRoot && !rule.Namespace.Equals(Namespace, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        foreach (var (key, value) in selector.MatchLabels)
        {
            var own = Labels.TryGetValue(key, out var label) ? label : key == "app" ? Service : null;
            if (own != value)
            {
                return false;
            }
        }

        return selector.Services.Count == 0 || selector.Services.Contains(Service, StringComparer.OrdinalIgnoreCase);
    }
}
