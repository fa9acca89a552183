namespace Mesh.Discovery.Rules;

/// <summary>One rule document, whatever it was written in.</summary>
internal abstract record RuleConfig
{
    /// <summary>Istio's kind, such as <c>VirtualService</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>The document's own name.</summary>
    public required string Name { get; init; }

    /// <summary>The namespace in which short hosts of the document are resolved.</summary>
    public required string Namespace { get; init; }

    /// <summary>Where the document starts.</summary>
    public required SourceLocation Location { get; init; }
}
