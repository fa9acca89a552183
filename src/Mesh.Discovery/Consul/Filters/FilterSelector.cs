namespace Mesh.Discovery.Consul.Filters;

/// <summary>What a selector names, of which kind it is, and how it is read.</summary>
internal sealed class FilterSelector
{
    public const string Allowed =
        "Service.ID, Service.Service, Service.Tags, Service.Meta, Service.Address, Service.Port, Node.ID, Node.Node, "
        + "Node.Address, Node.Datacenter, Node.Meta, and keys of Service.Meta and Node.Meta as Service.Meta.version or "
        + "Service.Meta[\"my-key\"]";

    private FilterSelector(string name) => Name = name;

    public string Name { get; }

    /// <summary>A text; of a key that a map lacks, null.</summary>
    public Func<Endpoint, string?>? Text { get; private init; }

    public Func<Endpoint, int>? Number { get; private init; }

    public Func<Endpoint, IReadOnlyList<string>>? List { get; private init; }

    public Func<Endpoint, Labels>? Map { get; private init; }

    public string KindText => Text is not null ? "a text" : Number is not null ? "a number" : List is not null ? "a list" : "a map";

    /// <exception cref="FilterException">There is nothing of that name.</exception>
    public static FilterSelector Create(FilterOperand operand)
    {
        if (operand.Path is not { } path)
        {
            throw new FilterException(operand.Position, $"'{operand.Value}' is not a selector; allowed are {Allowed}");
        }

        var name = string.Join('.', path);
        return path switch
        {
            ["Service", "Meta"] => new FilterSelector(name) { Map = Meta },
            ["Service", "Meta", var key] => new FilterSelector(name) { Text = e => Meta(e).GetValueOrDefault(key) },
            ["Service", "Tags"] => new FilterSelector(name) { List = static e => e.Consul?.Tags ?? [] },
            ["Service", "Port"] => new FilterSelector(name) { Number = static e => e.Consul?.Port ?? 0 },
            ["Service", "ID"] => new FilterSelector(name) { Text = static e => e.Consul?.Id ?? "" },
            ["Service", "Service"] => new FilterSelector(name) { Text = static e => e.Consul?.Service ?? "" },
            ["Service", "Address"] => new FilterSelector(name) { Text = static e => e.Consul?.Address ?? "" },
            ["Node", "Meta"] => new FilterSelector(name) { Map = NodeMeta },
            ["Node", "Meta", var key] => new FilterSelector(name) { Text = e => NodeMeta(e).GetValueOrDefault(key) },
            ["Node", "Node"] => new FilterSelector(name) { Text = static e => e.Consul?.Node.Name ?? "" },
            ["Node", "ID"] => new FilterSelector(name) { Text = static e => e.Consul?.Node.Id ?? "" },
            ["Node", "Address"] => new FilterSelector(name) { Text = static e => e.Consul?.Node.Address ?? "" },
            ["Node", "Datacenter"] => new FilterSelector(name) { Text = static e => e.Consul?.Node.Datacenter ?? "" },
            _ => throw new FilterException(operand.Position, $"the selector '{name}' is not supported; allowed are {Allowed}"),
        };
    }

    private static Labels Meta(Endpoint endpoint) => endpoint.Consul?.Meta ?? endpoint.Labels;

    private static Labels NodeMeta(Endpoint endpoint) => endpoint.Consul?.Node.Meta ?? Labels.Empty;
}
