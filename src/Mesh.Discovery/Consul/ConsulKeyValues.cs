namespace Mesh.Discovery.Consul;

/// <summary>The keys below a prefix.</summary>
internal static class ConsulKeyValues
{
    /// <summary>All keys below a prefix; none if there are none, and none if the token may not read them.</summary>
    /// <param name="prefix">Normalized.</param>
    /// <param name="datacenter">Empty for the agent's own.</param>
    public static ConsulQuery<IReadOnlyList<KeyValueEntry>> Below(string prefix, string datacenter) =>
        new($"{Path(prefix, datacenter, "recurse")}", ConsulJson.Default.IReadOnlyListKeyValueEntry, Right(prefix, "read"))
        {
            WhenMissing = [],
        };

    /// <summary>One key; none if it does not exist.</summary>
    public static ConsulQuery<IReadOnlyList<KeyValueEntry>> One(string key, string datacenter) =>
        new(Path(key, datacenter), ConsulJson.Default.IReadOnlyListKeyValueEntry, $"key \"{key}\" {{ policy = \"read\" }}")
        {
            WhenMissing = [],
        };

    /// <summary>
    /// Tells "no keys" from "no right", which look the same to <see cref="Below"/>: asks for the prefix as if it were a key.
    /// </summary>
    /// <exception cref="ConsulException">The token may not read the prefix, or the agent cannot be reached.</exception>
    public static Task CheckRightAsync(ConsulClient client, string prefix, string datacenter, CancellationToken cancel) =>
        client.GetAsync(One(prefix, datacenter) with { Right = Right(prefix, "read") }, 0, TimeSpan.Zero, mayBeStale: true, cancel);

    /// <summary>Path and query of a key.</summary>
    public static string Path(string key, string datacenter, string query = "")
    {
        var path = "/v1/kv/" + string.Join('/', key.Split('/').Select(Uri.EscapeDataString));
        string[] parts = [query, datacenter.Length > 0 ? $"dc={Uri.EscapeDataString(datacenter)}" : ""];
        var joined = string.Join('&', parts.Where(static part => part.Length > 0));
        return joined.Length > 0 ? $"{path}?{joined}" : path;
    }

    public static string Right(string prefix, string policy) => $"key_prefix \"{prefix}\" {{ policy = \"{policy}\" }}";
}
