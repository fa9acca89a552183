namespace Mesh.Discovery.Consul;

/// <summary>What Consul says of an instance beyond what every endpoint has: filters of resolvers select by it.</summary>
internal sealed class ConsulInstance : IEquatable<ConsulInstance>
{
    public required string Id { get; init; }

    public required string Service { get; init; }

    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>All of the service's meta, also what we keep for ourselves.</summary>
    public Labels Meta { get; init; } = Labels.Empty;

    public string Address { get; init; } = "";

    public int Port { get; init; }

    public required ConsulNode Node { get; init; }

    /// <summary>Whether a check is in the state <c>warning</c>, and none is worse.</summary>
    public bool IsWarning { get; init; }

    /// <summary>Whether calls go to a sidecar that stands before it (Consul: <c>connect-proxy</c>).</summary>
    public bool IsProxy { get; init; }

    public bool Equals(ConsulInstance? other) =>
        other is not null && Id == other.Id && Service == other.Service && Address == other.Address && Port == other.Port
        && IsWarning == other.IsWarning && IsProxy == other.IsProxy && Meta.Equals(other.Meta) && Node.Equals(other.Node) && Tags.SequenceEqual(other.Tags);

    public override bool Equals(object? obj) => Equals(obj as ConsulInstance);

    public override int GetHashCode() => HashCode.Combine(Id, Service, Port);
}

/// <summary>The machine that an instance runs on, as Consul knows it.</summary>
internal sealed record ConsulNode(string Name, string Id, string Address, string Datacenter, Labels Meta);
