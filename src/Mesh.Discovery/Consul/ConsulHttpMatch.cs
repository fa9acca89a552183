using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul;

/// <summary>
/// Conditions on a request, in service-routers and in intentions. What else is in the document is kept: a condition that
/// is not understood must not be taken for none.
/// </summary>
internal sealed class ConsulHttpMatch
{
    public string? PathExact { get; init; }
    public string? PathPrefix { get; init; }
    public string? PathRegex { get; init; }

    /// <summary>Of exact paths and prefixes. Not in 1.8.</summary>
    public bool CaseInsensitive { get; init; }
    public IReadOnlyList<ConsulHeaderMatch?>? Header { get; init; }

    /// <summary>Routers only.</summary>
    public IReadOnlyList<ConsulQueryMatch?>? QueryParam { get; init; }
    public IReadOnlyList<string?>? Methods { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>A condition on a header.</summary>
internal sealed class ConsulHeaderMatch
{
    public string? Name { get; init; }
    public bool Present { get; init; }
    public string? Exact { get; init; }
    public string? Prefix { get; init; }
    public string? Suffix { get; init; }

    /// <summary>Not in 1.8.</summary>
    public string? Contains { get; init; }
    public string? Regex { get; init; }
    public bool Invert { get; init; }

    /// <summary>Of everything but expressions. Not in 1.8.</summary>
    public bool IgnoreCase { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>A condition on a query parameter.</summary>
internal sealed class ConsulQueryMatch
{
    public string? Name { get; init; }
    public bool Present { get; init; }
    public string? Exact { get; init; }
    public string? Regex { get; init; }

    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}
