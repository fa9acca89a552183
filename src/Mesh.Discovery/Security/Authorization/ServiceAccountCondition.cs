namespace Mesh.Discovery.Security.Authorization;

/// <summary>Service accounts of whatever trust domain: <c>namespace/account</c>, or <c>account</c> in the policy's namespace.</summary>
internal sealed class ServiceAccountCondition(IReadOnlyList<string> values, string policyNamespace, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{
    private readonly (string Namespace, string Account)[] _accounts =
        [.. values.Select(value => value.Split('/') is [var @namespace, var account] ? (@namespace, account) : (policyNamespace, value))];

    protected override bool Matches(in RequestFacts request)
    {
        if (request.Peer is not { ServiceAccount: { } account, Namespace: { } @namespace })
        {
            return false;
        }

        var comparison = IsLenient ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        foreach (var wanted in _accounts)
        {
            if (account.Equals(wanted.Account, comparison) && @namespace.Equals(wanted.Namespace, comparison))
            {
                return true;
            }
        }

        return false;
    }
}
