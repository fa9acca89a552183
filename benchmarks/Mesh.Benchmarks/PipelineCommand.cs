using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Benchmarks;

/// <summary>
/// <c>pipeline --json</c>: time and bytes of one request through each handler chain, around a stub that answers at once
/// and one that awaits.
/// </summary>
/// <remarks>
/// The contenders take turns in every round, so that a noisy machine disturbs all alike; each is warmed up for two
/// seconds, because tiered compilation takes that long; the figures are medians over the rounds. The factory's logging
/// handlers are off for both, so that handlers are compared and not logging. Ratios are of what is above bare.
/// </remarks>
internal static class PipelineCommand
{
    private const int Rounds = 15;
    private static readonly Uri s_address = new("http://reviews/reviews/0");
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(2);

    public static async Task<int> RunAsync()
    {
        var result = new JsonObject
        {
            ["sync"] = await MeasureAsync(awaits: false, requests: 100_000),
            ["async"] = await MeasureAsync(awaits: true, requests: 30_000),
        };
        Console.WriteLine(result.ToJsonString(new JsonSerializerOptions { WriteIndented = false }));
        return 0;
    }

    private static async Task<JsonObject> MeasureAsync(bool awaits, int requests)
    {
        string[] contenders = [.. PipelineContenders.Names, PipelineContenders.Everything];
        var invokers = contenders.ToDictionary(name => name, name => PipelineContenders.Create(name, () => new StubHandler(awaits)));
        var samples = contenders.ToDictionary(name => name, _ => new List<(double Nanoseconds, double Bytes)>());
        foreach (var invoker in invokers.Values)
        {
            var warm = Stopwatch.StartNew();
            while (warm.Elapsed < s_warmUp)
            {
                await SendAsync(invoker, 1000);
            }
        }

        for (var round = 0; round < Rounds; round++)
        {
            foreach (var (name, invoker) in invokers)
            {
                GC.Collect();
                var bytes = GC.GetTotalAllocatedBytes(precise: true);
                var watch = Stopwatch.StartNew();
                await SendAsync(invoker, requests);
                watch.Stop();
                var allocated = GC.GetTotalAllocatedBytes(precise: true) - bytes;
                samples[name].Add((watch.Elapsed.TotalNanoseconds / requests, (double)allocated / requests));
            }
        }

        var medians = samples.ToDictionary(
            pair => pair.Key, pair => (Ns: Median(pair.Value.Select(s => s.Nanoseconds)), Bytes: Median(pair.Value.Select(s => s.Bytes))));
        var json = new JsonObject();
        foreach (var (name, (ns, bytes)) in medians)
        {
            json[name] = new JsonObject { ["ns"] = Math.Round(ns, 1), ["bytes"] = Math.Round(bytes, 1) };
        }

        var (bare, dotnet, mesh) = (medians["bare"], medians["dotnet"], medians["mesh"]);
        json["time_ratio"] = Math.Round((mesh.Ns - bare.Ns) / (dotnet.Ns - bare.Ns), 4);
        json["all_time_ratio"] = Math.Round((medians[PipelineContenders.Everything].Ns - bare.Ns) / (dotnet.Ns - bare.Ns), 4);
        json["bytes_ratio"] = Math.Round((mesh.Bytes - bare.Bytes) / (dotnet.Bytes - bare.Bytes), 4);
        return json;
    }

    /// <summary>
    /// One request after the other, each with a message of its own and a token that can be cancelled, as an application's
    /// requests have.
    /// </summary>
    private static async Task SendAsync(HttpMessageInvoker invoker, int requests)
    {
        using var cancel = new CancellationTokenSource();
        for (var i = 0; i < requests; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, s_address);
            request.Headers.TryAddWithoutValidation("end-user", "somebody");
            await invoker.SendAsync(request, cancel.Token);
        }
    }

    internal static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted[sorted.Length / 2];
    }
}
