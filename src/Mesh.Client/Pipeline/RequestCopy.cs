namespace Mesh.Client.Pipeline;

/// <summary>A request that may be changed without the caller's own one noticing; the content is shared.</summary>
internal static class RequestCopy
{
    public static HttpRequestMessage Create(HttpRequestMessage original, Uri uri, HttpMethod? method = null)
    {
        var copy = new HttpRequestMessage(method ?? original.Method, uri)
        {
            Version = original.Version,
            VersionPolicy = original.VersionPolicy,
            Content = original.Content,
        };
        foreach (var (name, values) in original.Headers.NonValidated)
        {
            copy.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
        }

        foreach (var (key, value) in original.Options)
        {
            ((IDictionary<string, object?>)copy.Options)[key] = value;
        }

        return copy;
    }
}
