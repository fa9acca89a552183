using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul.Intentions;

/// <summary>One entry of <c>/v1/connect/intentions</c>.</summary>
internal sealed class ConsulIntention
{
    [JsonPropertyName("SourceNS")]
    public string? SourceNamespace { get; init; }
    public string? SourceName { get; init; }
    public string? SourcePartition { get; init; }

    /// <summary>Consul 1.13.</summary>
    public string? SourcePeer { get; init; }

    /// <summary>Consul 1.16.</summary>
    public string? SourceSamenessGroup { get; init; }
    public string? SourceType { get; init; }

    [JsonPropertyName("DestinationNS")]
    public string? DestinationNamespace { get; init; }
    public string? DestinationName { get; init; }
    public string? DestinationPartition { get; init; }

    /// <summary><c>allow</c> or <c>deny</c>; empty where there are permissions.</summary>
    public string? Action { get; init; }

    /// <summary>Consul 1.9.</summary>
    public IReadOnlyList<ConsulPermission?>? Permissions { get; init; }
}

internal sealed class ConsulPermission
{
    public string? Action { get; init; }

    [JsonPropertyName("HTTP")]
    public ConsulHttpMatch? Http { get; init; }

    /// <summary>A condition that only the callee can check is among them: <c>JWT</c>, Consul 1.16.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}
