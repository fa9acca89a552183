using Mesh.Discovery.Rules;

namespace Mesh.Server.Security.Jwt;

/// <summary>What became of a token: the rule by which it is good, or the reason why it is not.</summary>
internal readonly struct JwtOutcome
{
    public JwtOutcome(JwtRuleConfig rule, ParsedToken token) => (Rule, Token) = (rule, token);

    /// <param name="reason">One of <see cref="JwtReasons"/>.</param>
    /// <param name="issuer">Whom the token names, if that could be read: a stranger's word.</param>
    public JwtOutcome(string reason, string? issuer) => (Reason, Issuer) = (reason, issuer);

    public JwtRuleConfig? Rule { get; }

    public ParsedToken? Token { get; }

    public string? Reason { get; }

    public string? Issuer { get; }
}
