namespace Mesh.Server.Security.Jwt;

/// <summary>Why a token is refused: for logs and metrics.</summary>
internal static class JwtReasons
{
    public const string Oversized = "oversized";
    public const string SeveralTokens = "several-tokens";
    public const string Malformed = "malformed";
    public const string Encrypted = "encrypted";
    public const string Algorithm = "algorithm";
    public const string CriticalHeader = "critical-header";
    public const string Issuer = "issuer";
    public const string NoExpiry = "no-expiry";
    public const string Expired = "expired";
    public const string NotYetValid = "not-yet-valid";
    public const string Audience = "audience";
    public const string NoKeys = "no-keys";
    public const string UnknownKey = "unknown-key";
    public const string Signature = "signature";
}
