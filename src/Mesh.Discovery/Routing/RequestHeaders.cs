namespace Mesh.Discovery.Routing;

/// <summary>Reads a request's headers as they will go over the wire, without parsing them.</summary>
internal static class RequestHeaders
{
    /// <summary>The header's value, several joined as on the wire; null if it is not there. Content headers count too.</summary>
    public static string? Find(HttpRequestMessage request, string name)
    {
        if (request.Headers.NonValidated.TryGetValues(name, out var values)
            || (request.Content is { } content && content.Headers.NonValidated.TryGetValues(name, out values)))
        {
            return values.ToString();
        }

        return name.Equals("host", StringComparison.OrdinalIgnoreCase) ? request.RequestUri?.Authority : null;
    }
}
