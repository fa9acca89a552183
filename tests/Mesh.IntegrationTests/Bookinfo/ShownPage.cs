using System.Net;
using Bookinfo;

namespace Mesh.IntegrationTests.Bookinfo;

/// <summary>The product page as a browser asks for it, without a mesh.</summary>
internal sealed class ShownPage(string launcherOutput) : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private readonly HttpClient _client = new();
    private readonly Uri _address = new(launcherOutput.Split("Product page: ")[1].Split('\n')[0].Trim());

    /// <summary>Of so many pages, those with that version of reviews.</summary>
    public async Task<int> CountAsync(string version, int pages, CancellationToken cancel)
    {
        var count = 0;
        for (var page = 0; page < pages; page++)
        {
            count += await VersionAsync(cancel) == version ? 1 : 0;
        }

        return count;
    }

    /// <summary>Asks until so many pages in a row had that version of reviews.</summary>
    public Task UntilOnlyAsync(string version, int inARow, CancellationToken cancel) =>
        UntilAsync(shown => shown == version, inARow, cancel);

    /// <summary>Asks until so many pages in a row had another version of reviews.</summary>
    public Task UntilNoneAsync(string version, int inARow, CancellationToken cancel) =>
        UntilAsync(shown => shown != version, inARow, cancel);

    public void Dispose() => _client.Dispose();

    private async Task UntilAsync(Func<string, bool> wanted, int inARow, CancellationToken cancel)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(s_limit);
        for (var seen = 0; seen < inARow;)
        {
            seen = wanted(await VersionAsync(stop.Token)) ? seen + 1 : 0;
        }
    }

    private async Task<string> VersionAsync(CancellationToken cancel)
    {
        using var response = await _client.GetAsync(_address, cancel);
        Assert.True(
            response.StatusCode == HttpStatusCode.OK,
            $"{(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancel)}");
        var hops = Hop.Parse(response.Headers.GetValues(Hop.HeaderName).Single());
        return hops.Single(static hop => hop.Service == "reviews").Version;
    }
}
