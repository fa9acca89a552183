using System.Net.Http.Headers;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>Removes, sets and adds headers, in this order.</summary>
internal sealed class HeaderOperations
{
    private readonly HeaderOperationsConfig _config;

    private HeaderOperations(HeaderOperationsConfig config) => _config = config;

    /// <summary>Null if there is nothing to do.</summary>
    public static HeaderOperations? Create(HeaderOperationsConfig? config) =>
        config is null || (config.Set.Count == 0 && config.Add.Count == 0 && config.Remove.Count == 0)
            ? null
            : new HeaderOperations(config);

    public void Apply(HttpRequestMessage request) => Apply(request.Headers, request.Content?.Headers);

    public void Apply(HttpResponseMessage response) => Apply(response.Headers, response.Content.Headers);

    private void Apply(HttpHeaders headers, HttpContentHeaders? content)
    {
        foreach (var name in _config.Remove)
        {
            Remove(headers, content, name);
        }

        foreach (var (name, value) in _config.Set)
        {
            Remove(headers, content, name);
            Add(headers, content, name, value);
        }

        foreach (var (name, value) in _config.Add)
        {
            // A message has one host: a second value would make it invalid.
            if (name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            {
                Remove(headers, content, name);
            }

            Add(headers, content, name, value);
        }
    }

    private static void Remove(HttpHeaders headers, HttpContentHeaders? content, string name)
    {
        // A content header is refused by the message's own collection, and the other way round.
        if (!headers.NonValidated.Contains(name) || !headers.Remove(name))
        {
            if (content?.NonValidated.Contains(name) == true)
            {
                content.Remove(name);
            }
        }
    }

    private static void Add(HttpHeaders headers, HttpContentHeaders? content, string name, string value)
    {
        if (!headers.TryAddWithoutValidation(name, value))
        {
            content?.TryAddWithoutValidation(name, value);
        }
    }
}
