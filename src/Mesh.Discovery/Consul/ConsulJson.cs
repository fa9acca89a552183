using System.Text.Json.Serialization;

namespace Mesh.Discovery.Consul;

/// <summary>What the mesh sends to Consul and reads of it for registrations and keys.</summary>
[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AgentRegistration))]
[JsonSerializable(typeof(AgentService))]
[JsonSerializable(typeof(Dictionary<string, AgentCheckState>))]
[JsonSerializable(typeof(IReadOnlyList<KeyValueEntry>))]
internal sealed partial class ConsulJson : JsonSerializerContext;

/// <summary>A key and its value.</summary>
internal sealed class KeyValueEntry
{
    public string Key { get; init; } = "";

    /// <summary>Base64 in the JSON; null for an empty value.</summary>
    public byte[]? Value { get; init; }

    /// <summary>For check-and-set.</summary>
    public ulong ModifyIndex { get; init; }
}

/// <summary>The body of a registration. Consul refuses fields that it does not know.</summary>
internal sealed class AgentRegistration
{
    [JsonPropertyName("ID")]
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required string Address { get; init; }

    public required int Port { get; init; }

    public IReadOnlyList<string>? Tags { get; init; }

    public required IReadOnlyDictionary<string, string> Meta { get; init; }

    public required AgentWeights Weights { get; init; }

    public AgentCheck? Check { get; init; }

    public AgentConnect? Connect { get; init; }
}

/// <summary>Whether the instance itself speaks mTLS with Consul's certificates.</summary>
internal sealed record AgentConnect(bool Native);

/// <summary>The share of traffic by state.</summary>
internal sealed record AgentWeights(int Passing, int Warning);

/// <summary>A check as it is registered, with durations as Go writes them.</summary>
internal sealed class AgentCheck
{
    [JsonPropertyName("CheckID")]
    public required string CheckId { get; init; }

    public required string Name { get; init; }

    [JsonPropertyName("HTTP")]
    public string? Http { get; init; }

    [JsonPropertyName("GRPC")]
    public string? Grpc { get; init; }

    [JsonPropertyName("GRPCUseTLS")]
    public bool? GrpcUseTls { get; init; }

    [JsonPropertyName("TLSSkipVerify")]
    public bool? TlsSkipVerify { get; init; }

    public string? Interval { get; init; }

    public string? Timeout { get; init; }

    [JsonPropertyName("TTL")]
    public string? Ttl { get; init; }

    public required string Status { get; init; }

    public required string DeregisterCriticalServiceAfter { get; init; }
}

/// <summary>An instance as its agent knows it.</summary>
internal sealed class AgentService
{
    /// <summary>What to wait from for the next change; empty if the agent does not say.</summary>
    public string ContentHash { get; init; } = "";
}

/// <summary>A check as its agent knows it.</summary>
internal sealed class AgentCheckState
{
    public string Status { get; init; } = "";
}
