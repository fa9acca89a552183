namespace Mesh.Server.Security.Jwt;

/// <summary>A place of requests at which a token may be.</summary>
/// <param name="Kind">Where.</param>
/// <param name="Name">Its name, in lower case.</param>
/// <param name="Prefix">What stands before the token; of headers only.</param>
internal readonly record struct TokenLocation(TokenPlace Kind, string Name, string Prefix = "")
{
    /// <summary>Istio's default ones (RFC 6750, sections 2.1 and 2.3).</summary>
    public static readonly TokenLocation[] Defaults = [Header("Authorization", "Bearer "), Parameter("access_token")];

    public static TokenLocation Header(string name, string prefix) => new(TokenPlace.Header, name.ToLowerInvariant(), prefix);

    public static TokenLocation Parameter(string name) => new(TokenPlace.Parameter, name.ToLowerInvariant());

    public static TokenLocation Cookie(string name) => new(TokenPlace.Cookie, name.ToLowerInvariant());
}

/// <summary>The sorts of places.</summary>
internal enum TokenPlace
{
    Header,
    Parameter,
    Cookie,
}
