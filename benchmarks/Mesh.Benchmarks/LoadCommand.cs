using System.Diagnostics;
using System.Text.Json.Nodes;
using Mesh.Benchmarks.Security;
using Mesh.Discovery.Security;

namespace Mesh.Benchmarks;

/// <summary>
/// <c>load --json</c>: throughput and p99 of a bare <see cref="HttpClient"/>, of today's .NET choice and of ours against a
/// server in another process on loopback: 1 KB, 32 in flight; in plaintext, and by mTLS with the same certificates for all.
/// </summary>
/// <remarks>
/// The contenders take turns in every round, each in another order, so that a noisy machine disturbs all alike; figures
/// are medians over the rounds; <c>cpu_us</c> is the processor time of the client process for one request, which a busy
/// machine disturbs less than the throughput; the ratio is the median of each round's mesh / bare.
/// </remarks>
internal static class LoadCommand
{
    private const int Rounds = 45;
    private const int InFlight = 32;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(0.5);

    public static async Task<int> RunAsync()
    {
        using var identities = new BenchmarkIdentities();
        using var server = SelfProcess.Start("load-server", identities.Directory);
        try
        {
            var plain = (await server.StandardOutput.ReadLineAsync())!.Split(' ');
            var secured = (await server.StandardOutput.ReadLineAsync())!.Split(' ');
            Console.WriteLine(new JsonObject
            {
                ["plain"] = await MeasureAsync(plain, null),
                ["mtls"] = await MeasureAsync(secured, identities.Caller),
            }.ToJsonString());
            return 0;
        }
        finally
        {
            server.StandardInput.Close();
            await server.WaitForExitAsync();
        }
    }

    private static async Task<JsonObject> MeasureAsync(string[] addresses, CertificateSet? identity)
    {
        var contenders = PipelineContenders.Names.ToDictionary(name => name, name => PipelineContenders.CreateClient(name, addresses, identity));
        var samples = contenders.Keys.ToDictionary(name => name, _ => new List<(double Rps, double P99, double Cpu, double Bytes)>());
        foreach (var client in contenders.Values)
        {
            await RunAsync(client, s_warmUp);
        }

        for (var round = 0; round < Rounds; round++)
        {
            foreach (var (name, client) in contenders.Skip(round % 3).Concat(contenders.Take(round % 3)))
            {
                samples[name].Add(await RunAsync(client, s_round));
            }
        }

        var json = new JsonObject();
        foreach (var (name, values) in samples)
        {
            json[name] = new JsonObject
            {
                ["rps"] = Math.Round(PipelineCommand.Median(values.Select(v => v.Rps))),
                ["p99_us"] = Math.Round(PipelineCommand.Median(values.Select(v => v.P99))),
                ["bytes"] = Math.Round(PipelineCommand.Median(values.Select(v => v.Bytes))),
                ["cpu_us"] = Math.Round(PipelineCommand.Median(values.Select(v => v.Cpu)), 2),
            };
        }

        json["ratio"] = Ratio("mesh");
        json["dotnet_ratio"] = Ratio("dotnet");
        return json;

        double Ratio(string name) =>
            Math.Round(PipelineCommand.Median(samples[name].Zip(samples["bare"], static (own, bare) => own.Rps / bare.Rps)), 4);
    }

    private static async Task<(double Rps, double P99, double Cpu, double Bytes)> RunAsync(HttpClient client, TimeSpan time)
    {
        var bytes = GC.GetTotalAllocatedBytes();
        var cpu = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        var latencies = await Task.WhenAll(Enumerable.Range(0, InFlight).Select(_ => Task.Run(() => WorkAsync(client, watch, time))));
        var elapsed = watch.Elapsed;
        var used = Environment.CpuUsage.TotalTime - cpu;
        var allocated = GC.GetTotalAllocatedBytes() - bytes;
        var all = latencies.SelectMany(static l => l).Order().ToArray();
        return (
            all.Length / elapsed.TotalSeconds,
            TimeSpan.FromSeconds(all[(int)(all.Length * 0.99)] / (double)Stopwatch.Frequency).TotalMicroseconds,
            used.TotalMicroseconds / all.Length,
            (double)allocated / all.Length);
    }

    private static async Task<List<long>> WorkAsync(HttpClient client, Stopwatch watch, TimeSpan time)
    {
        var latencies = new List<long>(4096);
        while (watch.Elapsed < time)
        {
            var start = Stopwatch.GetTimestamp();
            using var response = await client.GetAsync("/reviews/0");
            var body = await response.Content.ReadAsByteArrayAsync();
            if (body.Length != 1024)
            {
                throw new InvalidOperationException($"{body.Length} bytes came back.");
            }

            latencies.Add(Stopwatch.GetTimestamp() - start);
        }

        return latencies;
    }
}
