namespace Mesh.Client.Pipeline;

/// <summary>What <see cref="SocketsHttpHandler"/> does with redirects, for clients whose own handler would have followed them.</summary>
internal static class Redirects
{
    public static bool IsRedirect(HttpResponseMessage response) =>
        (int)response.StatusCode is 301 or 302 or 303 or 307 or 308 or 300 && response.Headers.Location is not null;

    /// <summary>The request that follows; null if the response is no redirect or must not be followed.</summary>
    public static HttpRequestMessage? Next(HttpRequestMessage request, HttpResponseMessage response)
    {
        if (!IsRedirect(response))
        {
            return null;
        }

        var location = response.Headers.Location!;
        if (!location.IsAbsoluteUri)
        {
            location = new Uri(request.RequestUri!, location);
        }

        // Never from https to http, and only what a client speaks.
        if (location.Scheme is not ("http" or "https") || (request.RequestUri!.Scheme == "https" && location.Scheme == "http"))
        {
            return null;
        }

        var status = (int)response.StatusCode;
        var becomesGet = (status is 300 or 301 or 302 && request.Method == HttpMethod.Post)
            || (status == 303 && request.Method != HttpMethod.Get && request.Method != HttpMethod.Head);
        if (!becomesGet && !RetryDecision.CanReplay(request.Content, long.MaxValue))
        {
            return null;
        }

        var next = RequestCopy.Create(request, location, becomesGet ? HttpMethod.Get : request.Method);
        next.Headers.Host = null;
        next.Headers.Authorization = null;
        next.Headers.Remove("traceparent");
        next.Headers.Remove("tracestate");
        TravellingHeaders.Remove(next);
        if (becomesGet)
        {
            next.Content = null;
            next.Headers.TransferEncodingChunked = null;
        }

        return next;
    }
}
