using System.Diagnostics;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Benchmarks.Simulation;

/// <summary>Scenario (a) in real time: the real client with its own transport, endpoints in another process on loopback.</summary>
/// <remarks>
/// Requests begin when their time has come whether others are done or not; they are started about every millisecond.
/// Before the run proper there are some seconds of warm-up, so that compilation is not taken for latency.
/// </remarks>
internal static class LiveRun
{
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(5);

    public static async Task<SimulationResult> RunAsync(SimulationPolicy policy, int seed)
    {
        var scenario = Scenarios.SlowEndpoint;
        using var server = SelfProcess.Start(LiveServer.Verb, $"{scenario.Endpoints}", $"{seed}");
        try
        {
            var addresses = (await server.StandardOutput.ReadLineAsync())!.Split(' ');
            using var host = CreateHost(policy, addresses);
            await host.StartAsync();
            await host.Services.GetRequiredService<MeshRuntime>().Synced;
            using var invoker = new HttpMessageInvoker(
                host.Services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler(SimulationPolicy.Service), disposeHandler: false);
            var random = new SeededRandom(seed + 2);
            await SendAsync(new RequestLog(invoker, TimeProvider.System), random, scenario.Rate, s_warmUp, []);
            var before = await AttemptsAsync(server);

            var log = new RequestLog(invoker, TimeProvider.System);
            await SendAsync(log, random, scenario.Rate, scenario.Duration,
            [
                (Scenarios.Slow.From, () => server.StandardInput.WriteLine($"takes {Scenarios.Slow.Takes.TotalMilliseconds}")),
                (Scenarios.Slow.To, () => server.StandardInput.WriteLine("takes 0")),
            ]);
            var attempts = await AttemptsAsync(server) - before;
            await host.StopAsync();
            return log.Result(attempts, refused: 0);
        }
        finally
        {
            server.StandardInput.Close();
            await server.WaitForExitAsync();
        }
    }

    /// <summary>Sends for a while, does what is to be done meanwhile, and waits until all requests are over.</summary>
    private static async Task SendAsync(
        RequestLog log, SeededRandom random, double rate, TimeSpan time, IEnumerable<(TimeSpan At, Action Do)> script)
    {
        var mean = TimeSpan.FromSeconds(1 / rate);
        var next = random.NextTime(mean);
        var events = new Queue<(TimeSpan At, Action Do)>(script);
        var open = new List<Task>((int)(rate * time.TotalSeconds * 1.2));
        var watch = Stopwatch.StartNew();
        while (next < time)
        {
            while (events.TryPeek(out var due) && due.At <= watch.Elapsed)
            {
                events.Dequeue().Do();
            }

            for (var now = watch.Elapsed; next <= now && next < time; next += random.NextTime(mean))
            {
                open.Add(log.SendAsync());
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        await Task.WhenAll(open);
    }

    private static async Task<int> AttemptsAsync(Process server)
    {
        await server.StandardInput.WriteLineAsync("attempts");
        return int.Parse((await server.StandardOutput.ReadLineAsync())!);
    }

    private static IHost CreateHost(SimulationPolicy policy, string[] addresses)
    {
        var settings = policy.Settings();
        for (var i = 0; i < addresses.Length; i++)
        {
            settings[$"Mesh:Services:{SimulationPolicy.Service}:Endpoints:{i}:Address"] = addresses[i];
        }

        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.AddServiceMesh();
        builder.Services.AddHttpClient(SimulationPolicy.Service).RemoveAllLoggers();
        return builder.Build();
    }
}
