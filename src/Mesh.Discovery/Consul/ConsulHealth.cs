using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul;

/// <summary>One instance, as <c>/v1/health/service</c> and <c>/v1/health/connect</c> list it.</summary>
internal sealed record HealthEntry
{
    public HealthNode? Node { get; init; }

    public HealthService? Service { get; init; }

    public HealthCheckState[]? Checks { get; init; }
}

/// <summary>The machine of an instance.</summary>
internal sealed record HealthNode
{
    public string? ID { get; init; }

    public string? Node { get; init; }

    public string? Address { get; init; }

    public string? Datacenter { get; init; }

    public Dictionary<string, string>? Meta { get; init; }

    /// <summary>Consul 1.15 and later.</summary>
    public HealthLocality? Locality { get; init; }
}

/// <summary>An instance by itself.</summary>
internal sealed record HealthService
{
    public string? ID { get; init; }

    public string? Service { get; init; }

    public string[]? Tags { get; init; }

    public string? Address { get; init; }

    public int Port { get; init; }

    public Dictionary<string, string>? Meta { get; init; }

    public Dictionary<string, HealthAddress>? TaggedAddresses { get; init; }

    public HealthWeights? Weights { get; init; }

    /// <summary><c>connect-proxy</c> for a sidecar; empty for a service.</summary>
    public string? Kind { get; init; }

    /// <summary>Whom a sidecar stands before.</summary>
    public HealthProxy? Proxy { get; init; }

    public HealthConnect? Connect { get; init; }

    /// <summary>Consul 1.15 and later.</summary>
    public HealthLocality? Locality { get; init; }
}

/// <summary>One more address of an instance.</summary>
internal sealed record HealthAddress(string? Address, int Port);

/// <summary>The service that a sidecar stands before, and which of its instances.</summary>
internal sealed record HealthProxy(string? DestinationServiceName, string? DestinationServiceID);

/// <summary>Whether the instance itself speaks mTLS with Consul's certificates.</summary>
internal sealed record HealthConnect(bool Native);

/// <summary>An instance's share of traffic by its state.</summary>
internal sealed record HealthWeights(int Passing, int Warning);

/// <summary>Where a node or an instance runs.</summary>
internal sealed record HealthLocality(string? Region, string? Zone);

/// <summary>The state of one check.</summary>
internal sealed record HealthCheckState(string? Status);

/// <summary>Reads health answers.</summary>
[JsonSerializable(typeof(HealthEntry[]))]
[JsonSerializable(typeof(AclRight[]))]
[JsonSourceGenerationOptions(NumberHandling = JsonNumberHandling.AllowReadingFromString)]
internal sealed partial class ConsulHealthJson : JsonSerializerContext;

/// <summary>A right that is asked for (<c>/v1/internal/acl/authorize</c>), and whether the token has it.</summary>
internal sealed record AclRight(string Resource, string Access, string Segment)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? Allow { get; init; }
}
