using System.Net;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>Addresses, in their IPv4 form where they have one.</summary>
internal sealed class AddressCondition(AuthorizationAttribute attribute, IReadOnlyList<IPNetwork> networks, bool isNot, bool isDenying)
    : Condition(isNot, isDenying)
{
    private readonly IPNetwork[] _networks = [.. networks];

    protected override bool Matches(in RequestFacts request)
    {
        var address = attribute switch
        {
            AuthorizationAttribute.SourceAddress => request.SourceAddress,
            AuthorizationAttribute.RemoteAddress => request.RemoteAddress,
            _ => request.DestinationAddress,
        };
        if (address is null)
        {
            return false;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        foreach (var network in _networks)
        {
            if (network.Contains(address))
            {
                return true;
            }
        }

        return false;
    }
}
