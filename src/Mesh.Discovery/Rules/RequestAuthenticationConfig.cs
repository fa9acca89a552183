using Mesh.Discovery.Security;

namespace Mesh.Discovery.Rules;

/// <summary>Whose tokens prove who a request is made for (Istio: RequestAuthentication).</summary>
internal sealed record RequestAuthenticationConfig : RuleConfig
{
    public override string Kind => "RequestAuthentication";
    public WorkloadSelector Selector { get; init; } = WorkloadSelector.All;
    public IReadOnlyList<JwtRuleConfig> JwtRules { get; init; } = [];
}

/// <summary>One issuer's tokens (Istio: JWTRule).</summary>
internal sealed record JwtRuleConfig
{
    /// <summary>Istio's default, for the fetching of keys as a whole.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(5);

    public required string Issuer { get; init; }

    /// <summary>One of them must be the token's; none: whatever it has, or has not.</summary>
    public IReadOnlyList<string> Audiences { get; init; } = [];

    /// <summary>The keys themselves.</summary>
    public PublicKeySet? Keys { get; init; }

    /// <summary>Where the keys are. With neither, the issuer's OpenID configuration says it.</summary>
    public Uri? KeysUri { get; init; }

    /// <summary>Where the token is; with no place at all, in the default ones.</summary>
    public IReadOnlyList<TokenHeader> FromHeaders { get; init; } = [];
    public IReadOnlyList<string> FromParams { get; init; } = [];
    public IReadOnlyList<string> FromCookies { get; init; } = [];

    /// <summary>The header in which the application finds the token's payload, base64url.</summary>
    public string? OutputPayloadToHeader { get; init; }
    public IReadOnlyList<ClaimHeader> OutputClaimToHeaders { get; init; } = [];

    /// <summary>Whether the application sees the token.</summary>
    public bool ForwardOriginalToken { get; init; }
    public TimeSpan Timeout { get; init; } = DefaultTimeout;
}

/// <summary>A header that carries a token.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Prefix">What stands before the token; may be empty.</param>
internal sealed record TokenHeader(string Name, string Prefix);

/// <summary>A header in which the application finds a claim.</summary>
internal sealed record ClaimHeader(string Header, string Claim);
