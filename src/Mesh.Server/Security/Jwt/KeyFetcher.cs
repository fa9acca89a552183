using System.Text.Json;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security.Jwt;

/// <summary>Gets the keys of issuers over HTTP, past the mesh: most are outside of it, and no rule should decide whose keys they are.</summary>
internal sealed class KeyFetcher(TimeProvider time) : IDisposable
{
    /// <summary>In bytes. Sets of keys have a few thousand.</summary>
    private const int MaxSize = 1024 * 1024;

    private const int MaxRedirections = 3;

    /// <summary>So that a change of the issuer's address is seen.</summary>
    private static readonly TimeSpan s_connectionLifetime = TimeSpan.FromMinutes(2);

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        ActivityHeadersPropagator = null,
        MaxAutomaticRedirections = MaxRedirections,
        PooledConnectionLifetime = s_connectionLifetime,
        UseCookies = false,
    })
    {
        MaxResponseContentBufferSize = MaxSize,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Where a rule's keys are, in the first place.</summary>
    public static Uri AddressOf(JwtRuleConfig rule) =>
        rule.KeysUri ?? new Uri(rule.Issuer.TrimEnd('/') + "/.well-known/openid-configuration");

    /// <summary>The keys of a rule that does not hold them itself.</summary>
    /// <exception cref="HttpRequestException">They could not be fetched.</exception>
    /// <exception cref="InvalidDataException">What came is not what was asked for.</exception>
    /// <exception cref="OperationCanceledException">The rule's time is over.</exception>
    public async Task<PublicKeySet> FetchAsync(JwtRuleConfig rule)
    {
        using var timeout = new CancellationTokenSource(rule.Timeout, time);
        var uri = rule.KeysUri ?? KeysUriIn(await GetAsync(AddressOf(rule), timeout.Token), rule.Issuer);
        var (set, problem) = PublicKeySet.Parse(await GetAsync(uri, timeout.Token));
        return set ?? throw new InvalidDataException($"the JWK set {problem}");
    }

    public void Dispose() => _client.Dispose();

    private Task<byte[]> GetAsync(Uri uri, CancellationToken cancel) => _client.GetByteArrayAsync(uri, cancel);

    /// <summary>OpenID Connect Discovery 1.0, sections 4.2 and 4.3.</summary>
    private static Uri KeysUriIn(byte[] configuration, string issuer)
    {
        try
        {
            using var document = JsonDocument.Parse(configuration);
            if (!IsText(document.RootElement, "issuer", out var own) || own != issuer)
            {
                throw new InvalidDataException("the OpenID configuration is that of another issuer, or of none");
            }

            // Keys over plaintext are as good as none where the issuer itself is known by its certificate.
            if (!IsText(document.RootElement, "jwks_uri", out var text) || !Uri.TryCreate(text, UriKind.Absolute, out var uri)
                || !(uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && issuer.StartsWith("http:", StringComparison.OrdinalIgnoreCase))))
            {
                throw new InvalidDataException("the OpenID configuration has no jwks_uri, or one that is not as safe as the issuer");
            }

            return uri;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException("the OpenID configuration is no JSON object");
        }
    }

    private static bool IsText(JsonElement element, string name, out string text)
    {
        text = element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        return text.Length > 0;
    }
}
