using System.Collections.Frozen;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Runtime;

/// <summary>
/// The view of everything that a request reads: one reference, then one look-up by host. Immutable; what changes often (a
/// service's routes and endpoints) is replaced inside the <see cref="ServiceState"/>, so that a change of one service
/// builds nothing else anew.
/// </summary>
internal sealed class MeshSnapshot
{
    public static readonly MeshSnapshot Empty = new(0, [], "default", []);

    private readonly FrozenDictionary<string, ServiceState> _byHost;
    private readonly FrozenDictionary<string, ServiceState>.AlternateLookup<ReadOnlySpan<char>> _bySuffix;
    private readonly bool _hasWildcards;

    public MeshSnapshot(long revision, IReadOnlyCollection<ServiceState> services, string ownNamespace, IReadOnlyList<RuleStatus> rules)
    {
        Revision = revision;
        Services = services;
        Rules = rules;

        var byHost = new Dictionary<string, ServiceState>(services.Count * 4, StringComparer.OrdinalIgnoreCase);
        var bySuffix = new Dictionary<string, ServiceState>(StringComparer.OrdinalIgnoreCase);
        foreach (var service in services)
        {
            var host = service.Name.Host;
            if (host.StartsWith('*'))
            {
                bySuffix[host[1..]] = service;
            }
            else
            {
                byHost[host] = service;
            }
        }

        // Shorter names after the literal ones: a host that is declared as written is never hidden by a short name.
        foreach (var service in services)
        {
            var name = service.Name;
            if (!name.IsExternal)
            {
                byHost.TryAdd($"{name.Name}.{name.Namespace}.svc", service);
                byHost.TryAdd($"{name.Name}.{name.Namespace}", service);
                if (name.Namespace.Equals(ownNamespace, StringComparison.OrdinalIgnoreCase))
                {
                    byHost.TryAdd(name.Name, service);
                }
            }
        }

        _byHost = byHost.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
        _bySuffix = bySuffix.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();
        _hasWildcards = bySuffix.Count > 0;
    }

    private MeshSnapshot(MeshSnapshot other, long revision, IReadOnlyList<RuleStatus> rules)
    {
        Revision = revision;
        Rules = rules;
        Services = other.Services;
        _byHost = other._byHost;
        _bySuffix = other._bySuffix;
        _hasWildcards = other._hasWildcards;
    }

    /// <summary>The same services under other rules.</summary>
    public MeshSnapshot With(long revision, IReadOnlyList<RuleStatus> rules) => new(this, revision, rules);

    /// <summary>Counts up with every published change of rules or of the set of services.</summary>
    public long Revision { get; }

    public IReadOnlyCollection<ServiceState> Services { get; }

    /// <summary>Every rule document, and whether it is in effect.</summary>
    public IReadOnlyList<RuleStatus> Rules { get; }

    /// <summary>The service that a host names, in any of its forms; null if the mesh does not know it.</summary>
    public ServiceState? Find(string host)
    {
        if (_byHost.TryGetValue(host, out var service))
        {
            return service;
        }

        if (host.EndsWith('.'))
        {
            return host.Length > 1 ? Find(host[..^1]) : null;
        }

        return _hasWildcards ? FindWildcard(host) : null;
    }

    private ServiceState? FindWildcard(string host)
    {
        for (var dot = host.IndexOf('.'); dot >= 0; dot = host.IndexOf('.', dot + 1))
        {
            if (_bySuffix.TryGetValue(host.AsSpan(dot), out var service))
            {
                return service;
            }
        }

        return null;
    }
}

/// <summary>A rule document as the mesh sees it.</summary>
/// <param name="Rule">The document.</param>
/// <param name="Source">The source that holds it.</param>
/// <param name="Precedence">How strong the source is.</param>
/// <param name="InEffect">False when a stronger source speaks for the same hosts.</param>
internal sealed record RuleStatus(RuleConfig Rule, string Source, int Precedence, bool InEffect);
