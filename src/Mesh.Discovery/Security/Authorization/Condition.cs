using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>One condition of a rule.</summary>
/// <remarks>
/// An attribute of a request may have several readings. On the denying side (a condition of DENY; a not-form of ALLOW) one of them that
/// matches is enough, and differences that ASP.NET does not make are none; on the allowing side (a condition of ALLOW; a not-form of
/// DENY) all of them must match, exactly as in Istio.
/// </remarks>
internal abstract class Condition
{
    private readonly bool _isNot;

    /// <param name="isNot">Whether it is a not-form.</param>
    /// <param name="isDenying">Whether it is of a rule that denies.</param>
    protected Condition(bool isNot, bool isDenying)
    {
        _isNot = isNot;
        IsLenient = isNot != isDenying;
    }

    /// <summary>Whether one reading is enough.</summary>
    protected bool IsLenient { get; }

    public bool Holds(in RequestFacts request) => Matches(in request) != _isNot;

    public static void Create(AuthorizationMatchConfig config, string policyNamespace, bool isDenying, IReadOnlyList<string> aliases, List<Condition> conditions)
    {
        if (config.Values.Count > 0)
        {
            conditions.Add(Create(config, config.Values, config.Networks, policyNamespace, isNot: false, isDenying, aliases));
        }

        if (config.NotValues.Count > 0)
        {
            conditions.Add(Create(config, config.NotValues, config.NotNetworks, policyNamespace, isNot: true, isDenying, aliases));
        }
    }

    protected abstract bool Matches(in RequestFacts request);

    private static Condition Create(
        AuthorizationMatchConfig config, IReadOnlyList<string> values, IReadOnlyList<System.Net.IPNetwork> networks, string policyNamespace, bool isNot,
        bool isDenying, IReadOnlyList<string> aliases) => config.Attribute switch
        {
            AuthorizationAttribute.Principal or AuthorizationAttribute.TrustDomain =>
                new PrincipalCondition(config.Attribute, values, aliases, isNot, isDenying),
            AuthorizationAttribute.ServiceAccount => new ServiceAccountCondition(values, policyNamespace, isNot, isDenying),
            AuthorizationAttribute.SourceAddress or AuthorizationAttribute.RemoteAddress or AuthorizationAttribute.DestinationAddress =>
                new AddressCondition(config.Attribute, networks, isNot, isDenying),
            AuthorizationAttribute.Port => new PortCondition(values, isNot, isDenying),
            AuthorizationAttribute.Host => new HostCondition(values, config.Location, isNot, isDenying),
            AuthorizationAttribute.Method => new MethodCondition(values, config.Location, isNot, isDenying),
            AuthorizationAttribute.Path => new PathCondition(
                [.. values.Select(value => PathMatcher.Create(value, isLenient: isNot != isDenying))], isNot, isDenying),
            AuthorizationAttribute.Header =>
                new HeaderCondition(config.Name[0], TextMatch.Create(values, ignoreCase: false, config.Location), isNot, isDenying),
            AuthorizationAttribute.Claim => new ClaimCondition(config.Name, values, config.Location, isNot, isDenying),
            _ => new TextCondition(config.Attribute, values, config.Location, isNot, isDenying),
        };
}
