using System.Diagnostics;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Bookinfo;

/// <summary>
/// Lets every answer of Bookinfo say which versions made it, so that the demo can count them. It has no part in the
/// meshing: the callers do not know, and need not, which version they will reach.
/// </summary>
public static class ServedBy
{
    /// <summary>Adds the header to every response; answers 502 with the reason when a call fails.</summary>
    public static void UseServedBy(this WebApplication app)
    {
        var self = new Hop(
            app.Configuration["Mesh:Service"] ?? app.Environment.ApplicationName,
            app.Configuration["Mesh:Labels:version"] ?? Hop.UnknownVersion);

        app.Use(async (context, next) =>
        {
            var hops = new Hops(self);
            context.Features.Set(hops);
            context.Response.OnStarting(() =>
            {
                context.Response.Headers[Hop.HeaderName] = hops.ToString();
                return Task.CompletedTask;
            });

            try
            {
                await next(context);
            }
            catch (HttpRequestException failure) when (!context.Response.HasStarted)
            {
                context.Response.Clear();
                context.Response.StatusCode = StatusCodes.Status502BadGateway;
                await context.Response.WriteAsync(failure.Message);
            }
        });
    }

    /// <summary>Calls a service, keeps what it says of itself for our own answer, and reads its JSON.</summary>
    /// <exception cref="HttpRequestException">The service could not be reached, or answered with an error.</exception>
    public static async Task<T> CallAsync<T>(this HttpContext context, HttpClient client, HttpRequestMessage request)
    {
        var hops = context.Features.GetRequiredFeature<Hops>();
        var service = request.RequestUri!.Host;
        var started = Stopwatch.GetTimestamp();
        HttpResponseMessage response;
        try
        {
            response = await client.SendAsync(request, context.RequestAborted);
        }
        catch (HttpRequestException failure)
        {
            hops.Add([new Hop(service, Hop.UnknownVersion, Elapsed(), Failed: true)]);
            throw new HttpRequestException($"{service}: {failure.Message}", failure);
        }

        using (response)
        {
            response.Headers.TryGetValues(Hop.HeaderName, out var values);
            var theirs = Hop.Parse(values?.First());
            var first = theirs is [var hop, ..] && hop.Service == service ? hop : new Hop(service, Hop.UnknownVersion);
            first = first with { Milliseconds = Elapsed(), Failed = !response.IsSuccessStatusCode };
            hops.Add([first, .. theirs.Skip(1)]);
            if (!response.IsSuccessStatusCode)
            {
                var reason = await response.Content.ReadAsStringAsync(context.RequestAborted);
                throw new HttpRequestException(
                    $"{service} {first.Version} answered {(int)response.StatusCode}: {reason}");
            }

            return await response.Content.ReadFromJsonAsync<T>(context.RequestAborted)
                ?? throw new HttpRequestException($"{service} {first.Version} answered with nothing.");
        }

        double Elapsed() => Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private sealed class Hops(Hop self)
    {
        private readonly List<Hop> _hops = [self];

        public void Add(IEnumerable<Hop> hops)
        {
            lock (_hops)
            {
                _hops.AddRange(hops);
            }
        }

        public override string ToString()
        {
            lock (_hops)
            {
                return Hop.Format(_hops);
            }
        }
    }
}
