using Mesh.Discovery;
using Mesh.Discovery.Rules;

namespace Mesh.Client.LoadBalancing.Hashing;

/// <summary>What of a request is hashed.</summary>
internal abstract class HashKey
{
    /// <summary>Hashes the key of a request; false if the request has none.</summary>
    public abstract bool TryHash(HttpRequestMessage request, out ulong hash);

    /// <inheritdoc cref="EndpointPicker.CreateAffinityCookie"/>
    public virtual string? CreateAffinityCookie(HttpRequestMessage request) => null;

    /// <exception cref="ArgumentException">The rule names no key.</exception>
    public static HashKey Create(ConsistentHashConfig? config, string sourceAddress, IRandomSource random) =>
        config switch
        {
            { HttpHeaderName: { } name } => new HeaderHashKey(name),
            { HttpCookie: { } cookie } => new CookieHashKey(cookie, random),
            { HttpQueryParameterName: { } name } => new QueryHashKey(name),
            { UseSourceIp: true } => new SourceAddressHashKey(sourceAddress),
            _ => throw new ArgumentException(
                "consistentHash names no key: httpHeaderName, httpCookie, httpQueryParameterName or useSourceIp.",
                nameof(config)),
        };
}
