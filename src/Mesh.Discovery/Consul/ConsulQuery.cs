using System.Text.Json.Serialization.Metadata;

namespace Mesh.Discovery.Consul;

/// <summary>Something to read from Consul.</summary>
/// <param name="Path">Path and query without the parts that the client adds (index, wait, consistency).</param>
/// <param name="Type">How the answer is read.</param>
/// <param name="Right">The right that it takes, as a policy says it: <c>service "reviews" { policy = "read" }</c>.</param>
internal sealed record ConsulQuery<T>(string Path, JsonTypeInfo<T> Type, string Right)
{
    /// <summary>What 404 means, where it is an answer; null where it is an error.</summary>
    public T? WhenMissing { get; init; }

    /// <summary>Whether the agent answers from a cache that it keeps up to date itself: no server says whether it knows a leader.</summary>
    public bool IsOfAgentsCache { get; init; }

    /// <summary>Whether the answer holds a secret, so that nothing of it may be told.</summary>
    public bool IsSecret { get; init; }
}

/// <summary>An answer of Consul.</summary>
/// <param name="Value">What it says.</param>
/// <param name="Body">The same, as it came.</param>
/// <param name="Index">Where to wait from for the next change (<c>X-Consul-Index</c>), at least 1.</param>
/// <param name="KnowsLeader">Whether the server that answered knows a leader; if not, the answer may be old.</param>
/// <param name="IsFiltered">Whether rights that the token lacks have left something out (Consul 1.11 and later say so).</param>
internal sealed record ConsulAnswer<T>(T Value, byte[] Body, ulong Index, bool KnowsLeader, bool IsFiltered);
