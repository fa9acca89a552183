using System.Net;
using Bookinfo;
using Xunit;

namespace Mesh.IntegrationTests.Bookinfo;

/// <summary>The product page as a browser asks for it, without a mesh.</summary>
internal sealed class ShownPage(string launcherOutput) : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private readonly HttpClient _client = new();
    private readonly Uri _address = new(launcherOutput.Split("Product page: ")[1].Split('\n')[0].Trim());

    public async Task<int> CountAsync(string version, int pages, CancellationToken cancel)
    {
        var count = 0;
        for (var page = 0; page < pages; page++)
        {
            count += await VersionAsync(cancel) == version ? 1 : 0;
        }

        return count;
    }

    public async Task UntilOnlyAsync(string version, int inARow, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(s_limit);
        for (var seen = 0; seen < inARow;)
        {
            seen = await VersionAsync(stop.Token) == version ? seen + 1 : 0;
        }
    }

    public void Dispose() => _client.Dispose();

    private async Task<string> VersionAsync(CancellationToken cancel)
    {
        using var response = await _client.GetAsync(_address, cancel);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var hops = Hop.Parse(response.Headers.GetValues(Hop.HeaderName).Single());
        return hops.Single(static hop => hop.Service == "reviews").Version;
    }
}
