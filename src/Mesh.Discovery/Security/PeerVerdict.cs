namespace Mesh.Discovery.Security;

/// <summary>What is thought of a peer's certificate.</summary>
/// <param name="Id">Who the peer is; null if it is refused.</param>
/// <param name="Reason">Why it is refused, a word for metrics: see <see cref="PeerReasons"/>; null if it is not.</param>
/// <param name="Detail">The same for people.</param>
internal readonly record struct PeerVerdict(SpiffeId? Id, string? Reason, string? Detail)
{
    public static PeerVerdict Of(SpiffeId id) => new(id, null, null);

    public static PeerVerdict Refuse(string reason, string detail) => new(null, reason, detail);
}

/// <summary>The values of the tag <c>reason</c> of refused handshakes.</summary>
internal static class PeerReasons
{
    public const string NoCertificate = "no-certificate";
    public const string Expired = "expired";
    public const string NotYetValid = "not-yet-valid";
    public const string UnknownAuthority = "unknown-authority";
    public const string WrongUsage = "wrong-usage";
    public const string WeakKey = "weak-key";
    public const string NoIdentity = "no-identity";
    public const string WrongTrustDomain = "wrong-trust-domain";
    public const string WrongService = "wrong-service";
    public const string InvalidChain = "invalid-chain";
}
