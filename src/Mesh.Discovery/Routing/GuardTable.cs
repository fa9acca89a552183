using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>What of the intentions concerns the calling process, by the host that it calls.</summary>
/// <remarks>
/// As in Consul, an intention for the destination itself goes before one for all, and in each the source itself before
/// all. The first one that fits decides, whatever weaker ones say.
/// </remarks>
internal sealed class GuardTable
{
    private readonly Dictionary<string, Intention> _byHost = new(StringComparer.OrdinalIgnoreCase);
    private readonly string _source;
    private readonly string _namespace;
    private Intention? _forAll;

    public GuardTable(string source, string @namespace)
    {
        _source = source;
        _namespace = @namespace;
    }

    /// <summary>Takes the intentions of one destination.</summary>
    /// <returns>Whether one of them is about this process.</returns>
    public bool Add(ServiceIntentionsConfig config, IssueList issues)
    {
        if (config.Sources.FirstOrDefault(IsOwn) is not { } source)
        {
            return false;
        }

        if (config.Host == "*")
        {
            // Compiled once for what is wrong with it; each service's own names that service.
            Guard.Create(_source, "*", "*", source, issues);
            _forAll = new Intention(source, null);
            return true;
        }

        var host = ServiceName.Resolve(config.Host, config.Namespace);
        _byHost[host.Host] = new Intention(source, Guard.Create(_source, host.ToString(), host.Name, source, issues));
        return true;
    }

    /// <summary>What refuses calls of the service; null if nothing does.</summary>
    public Guard? Find(ServiceName service)
    {
        var own = Owner(service);
        if (own is null)
        {
            return null;
        }

        if (_byHost.TryGetValue(own.Value.Host, out var intention))
        {
            return intention.Guard;
        }

        // What is wrong with it has been told when it was added.
        return _forAll is null ? null : Guard.Create(_source, service.ToString(), "*", _forAll.Source, new IssueList());
    }

    /// <summary>The service of this datacenter whose intentions hold; null if Consul does not know the host.</summary>
    private ServiceName? Owner(ServiceName service)
    {
        // Consul knows one service of that name, whatever namespaces the mesh has.
        return !service.Host.StartsWith('*') && ConsulServiceName.From(service) is { } name
            ? new ServiceName(name.Service, _namespace)
            : null;
    }

    private bool IsOwn(IntentionSourceConfig source) =>
        source.Name == "*" || source.Name.Equals(_source, StringComparison.OrdinalIgnoreCase);

    private sealed record Intention(IntentionSourceConfig Source, Guard? Guard);
}
