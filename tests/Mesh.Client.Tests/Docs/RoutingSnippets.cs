using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Client.Tests.Docs;

/// <summary>What docs/routing.md shows in C#, word for word. It may use public API only.</summary>
internal static class RoutingSnippets
{
    public static void MeshAll(IHostApplicationBuilder builder)
    {
        // Every client of IHttpClientFactory is meshed, but for the one that says otherwise.
        builder.AddServiceMesh();
        builder.Services.AddHttpClient("metadata").WithoutServiceMesh();
    }

    public static void MeshOne(IHostApplicationBuilder builder)
    {
        // Only this client is meshed.
        builder.Services.AddHttpClient("reviews").AddServiceMesh();
    }

    public static void ChangeInCode(IHostApplicationBuilder builder)
    {
        builder.AddServiceMesh(options =>
        {
            options.Outbound.Timeout = TimeSpan.FromSeconds(10);
            options.Outbound.RetryAttempts = 1;
        });
    }

    public static async Task<string> ReviewsAsync(HttpClient client, CancellationToken cancel)
    {
        try
        {
            return await client.GetStringAsync("http://reviews/reviews/0", cancel);
        }
        catch (DeadlineExceededException)
        {
            return "The reviews take too long.";
        }
        catch (NoHealthyEndpointException e)
        {
            return $"Nobody answers for {e.Destination}.";
        }
        catch (MeshRejectedException e)
        {
            return $"The mesh refused the call: {e.Message}";
        }
        catch (HttpRequestException e)
        {
            return $"The call failed, after all retries: {e.StatusCode?.ToString() ?? e.Message}";
        }
    }
}
