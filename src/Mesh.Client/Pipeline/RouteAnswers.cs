using System.Net;
using System.Text;
using Mesh.Discovery.Routing;

namespace Mesh.Client.Pipeline;

/// <summary>The answers of routes that answer themselves: real responses, as if the callee had given them.</summary>
internal static class RouteAnswers
{
    public static HttpResponseMessage Create(Route route, HttpRequestMessage request)
    {
        var response = route.Redirect is { } redirect
            ? new HttpResponseMessage((HttpStatusCode)redirect.Code)
            : new HttpResponseMessage((HttpStatusCode)route.DirectResponse!.Status) { Content = new ByteArrayContent(route.DirectResponse.Body) };
        response.RequestMessage = request;
        if (route.Redirect is not null)
        {
            response.Headers.TryAddWithoutValidation("Location", Location(route, request));
        }

        route.ResponseHeaders?.Apply(response);
        return response;
    }

    /// <summary>What the rule leaves out stays as the request has it (Istio: HTTPRedirect).</summary>
    private static string Location(Route route, HttpRequestMessage request)
    {
        var redirect = route.Redirect!;
        var uri = request.RequestUri!;
        var scheme = redirect.Scheme ?? uri.Scheme;
        var authority = new UriBuilder(scheme + "://" + (redirect.Authority ?? request.Headers.Host ?? uri.Authority));
        var port = redirect.Port
            ?? (redirect.DerivePort == "FROM_REQUEST_PORT" ? uri.Port
                : redirect.DerivePort == "FROM_PROTOCOL_DEFAULT" || redirect.Scheme is not null && redirect.Authority is null ? -1
                : authority.Uri.IsDefaultPort ? -1 : authority.Port);
        var isDefault = port == -1 || (scheme == "http" && port == 80) || (scheme == "https" && port == 443);

        var location = new StringBuilder(scheme).Append("://").Append(authority.Host);
        if (!isDefault)
        {
            location.Append(':').Append(port);
        }

        return location.Append(redirect.Uri ?? uri.AbsolutePath).Append(redirect.Uri?.Contains('?') == true ? "" : uri.Query).ToString();
    }
}
