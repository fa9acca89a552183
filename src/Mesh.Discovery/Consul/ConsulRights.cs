using System.Net;
using System.Text.Json;

namespace Mesh.Discovery.Consul;

/// <summary>Tells "nothing there" from "not for this token", which look the same in Consul's answers.</summary>
internal static class ConsulRights
{
    /// <summary>The first of the rights that the token lacks; null if it has all, or if Consul does not say.</summary>
    /// <exception cref="ConsulException">The agent cannot be reached, or refuses the token.</exception>
    public static async Task<AclRight?> FindMissingAsync(ConsulClient client, AclRight[] asked, CancellationToken cancel)
    {
        try
        {
            var body = await client.SendAsync(
                HttpMethod.Post,
                "/v1/internal/acl/authorize",
                JsonSerializer.SerializeToUtf8Bytes(asked, ConsulHealthJson.Default.AclRightArray),
                "",
                cancel).ConfigureAwait(false);
            return JsonSerializer.Deserialize(body, ConsulHealthJson.Default.AclRightArray)!
                .FirstOrDefault(static right => right.Allow == false);
        }
        catch (ConsulException e) when (e.Status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound or HttpStatusCode.BadRequest)
        {
            // No ACLs, or a Consul that has no such question any more: then the answer is taken as it is.
            return null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
