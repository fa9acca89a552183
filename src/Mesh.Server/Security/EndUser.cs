using System.Text.Json;

namespace Mesh.Server.Security;

/// <summary>Who the request was made for, by a token that was found good: a feature of the request.</summary>
/// <param name="Principal">
/// Issuer and subject: <c>https://issuer.example/alice</c> (Istio: request principal). Null if the token has no subject: then there is
/// nobody to name, though the claims are good.
/// </param>
/// <param name="Claims">The token's claims, a JSON object.</param>
internal sealed record EndUser(string? Principal, JsonElement Claims);
