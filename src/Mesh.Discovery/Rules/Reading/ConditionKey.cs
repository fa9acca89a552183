namespace Mesh.Discovery.Rules.Reading;

/// <summary>A key of <c>when</c>.</summary>
/// <param name="Attribute">What it looks at.</param>
/// <param name="Name">The header or claim.</param>
internal sealed record ConditionKey(AuthorizationAttribute Attribute, IReadOnlyList<string> Name)
{
    private const string Headers = "request.headers[";
    private const string Claims = "request.auth.claims[";

    private static readonly Dictionary<string, ConditionKey> s_simple = new(StringComparer.Ordinal)
    {
        ["source.ip"] = new(AuthorizationAttribute.SourceAddress, []),
        ["remote.ip"] = new(AuthorizationAttribute.RemoteAddress, []),
        ["source.namespace"] = new(AuthorizationAttribute.Namespace, []),
        ["source.principal"] = new(AuthorizationAttribute.Principal, []),
        ["source.serviceAccount"] = new(AuthorizationAttribute.ServiceAccount, []),
        ["request.auth.principal"] = new(AuthorizationAttribute.RequestPrincipal, []),
        ["request.auth.audiences"] = new(AuthorizationAttribute.Claim, ["aud"]),
        ["request.auth.presenter"] = new(AuthorizationAttribute.Claim, ["azp"]),
        ["destination.ip"] = new(AuthorizationAttribute.DestinationAddress, []),
        ["destination.port"] = new(AuthorizationAttribute.Port, []),
        ["connection.sni"] = new(AuthorizationAttribute.ServerName, []),
    };

    /// <summary>All keys, for messages.</summary>
    public static IReadOnlyList<string> All { get; } = ["request.headers[name]", "request.auth.claims[name]", .. s_simple.Keys];

    /// <summary>Null if it is none.</summary>
    public static ConditionKey? Parse(string key)
    {
        if (s_simple.TryGetValue(key, out var simple))
        {
            return simple;
        }

        if (!key.EndsWith(']'))
        {
            return null;
        }

        if (key.StartsWith(Headers, StringComparison.Ordinal))
        {
            return key[Headers.Length..^1] switch
            {
                ":authority" => new ConditionKey(AuthorizationAttribute.Host, []),
                ":method" => new ConditionKey(AuthorizationAttribute.Method, []),
                var name when HostText.IsToken(name) => new ConditionKey(AuthorizationAttribute.Header, [name]),
                _ => null,
            };
        }

        if (!key.StartsWith(Claims, StringComparison.Ordinal))
        {
            return null;
        }

        var names = key[Claims.Length..^1].Split("][");
        return Array.TrueForAll(names, static name => name.Length > 0 && !name.AsSpan().ContainsAny('[', ']'))
            ? new ConditionKey(AuthorizationAttribute.Claim, names)
            : null;
    }
}
