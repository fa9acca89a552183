using System.Diagnostics;
using System.Net;

namespace Bookinfo.Launcher;

/// <summary>Asks for the product page, by its name, with a fixed number of requests in flight.</summary>
internal sealed class LoadDriver(HttpClient client, LauncherOptions options, CallStatistics statistics, Pacer pacer)
{
    private static readonly Uri s_page = new("http://productpage/productpage");

    private readonly TaskCompletionSource _half = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _started;

    /// <summary>Done when half of the requests are answered.</summary>
    public Task Half => _half.Task;

    /// <summary>Runs until all requests are answered; what is in flight when cancelled does not count.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        try
        {
            await Task.WhenAll(Enumerable.Range(0, options.Concurrency)
                .Select(_ => Task.Run(() => WorkAsync(cancel), cancel)));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
        }
    }

    /// <summary>Asks for one page without counting it.</summary>
    /// <returns>Why it failed, or null.</returns>
    public async Task<string?> TryOnceAsync(CancellationToken cancel) => (await AskAsync(cancel)).Failure;

    private async Task WorkAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            if (options.Requests is { } limit && Interlocked.Increment(ref _started) > limit)
            {
                return;
            }

            await pacer.WaitAsync(cancel);
            var start = Stopwatch.GetTimestamp();
            var (hops, failure) = await AskAsync(cancel);
            statistics.Record(hops, Stopwatch.GetElapsedTime(start), failure);
            if (statistics.Pages * 2 >= options.Requests)
            {
                _half.TrySetResult();
            }
        }
    }

    private async Task<(IReadOnlyList<Hop> Hops, string? Failure)> AskAsync(CancellationToken cancel)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, s_page);
            foreach (var (name, value) in options.Headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }

            using var response = await client.SendAsync(request, cancel);
            response.Headers.TryGetValues(Hop.HeaderName, out var values);
            var hops = Hop.Parse(values?.First());
            return response.StatusCode == HttpStatusCode.OK
                ? (hops, null)
                : (hops, $"{(int)response.StatusCode}: {FirstLine(await response.Content.ReadAsStringAsync(cancel))}");
        }
        catch (Exception failure) when (!cancel.IsCancellationRequested)
        {
            return ([], $"{failure.GetType().Name}: {FirstLine(failure.Message)}");
        }
    }

    private static string FirstLine(string text) => text.Split('\n', 2)[0].Trim();
}
