using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Benchmarks.Simulation;

/// <summary>
/// Runs the real client (rules, snapshot, pipeline, balancers, retries, detectors) against simulated endpoints in virtual
/// time.
/// </summary>
/// <remarks>
/// <para>Everything after the start of the host happens on one thread: timers fire and continuations run where the clock or
/// an endpoint completes them, since nobody awaits with a context and no source asks for asynchronous continuations. So a
/// run depends on its seed alone.</para>
/// <para>Arrivals, service times and the mesh's own draws come from three generators: all policies of a scenario see the
/// same arrivals.</para>
/// </remarks>
internal static class Simulator
{
    /// <summary>After the last arrival, for what is still open.</summary>
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(5);

    public static SimulationResult Run(Scenario scenario, SimulationPolicy policy, int seed)
    {
        // A thread of its own, so that nobody's context or scheduler takes continuations elsewhere.
        SimulationResult? result = null;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = RunHere(scenario, policy, seed);
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        return result ?? throw new InvalidOperationException($"Scenario {scenario.Key} with {policy.Name} failed.", failure);
    }

    private static SimulationResult RunHere(Scenario scenario, SimulationPolicy policy, int seed)
    {
        var clock = new VirtualClock();
        var callee = new SimulatedCallee(scenario, clock, seed);
        var random = new SeededRandom(seed + 1);
        using var host = CreateHost(policy, callee, clock, random);
        host.Start();
        host.Services.GetRequiredService<MeshRuntime>().Synced.GetAwaiter().GetResult();
        using var invoker = new HttpMessageInvoker(
            host.Services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler(SimulationPolicy.Service), disposeHandler: false);

        random.Restart();
        var log = new RequestLog(invoker, clock);
        scenario.Script(callee);
        var arrivals = new Arrivals(scenario, clock, log, new SeededRandom(seed + 2));
        arrivals.Start();
        clock.RunUntil(scenario.Duration + s_end);
        if (log.Open > 0)
        {
            throw new InvalidOperationException($"{log.Open} requests were not over {s_end.TotalSeconds} s after the last one began.");
        }

        return log.Result(
            callee.Instances.Sum(static endpoint => endpoint.Attempts), callee.Instances.Sum(static endpoint => endpoint.Refused));
    }

    private static IHost CreateHost(SimulationPolicy policy, SimulatedCallee callee, VirtualClock clock, SeededRandom random)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(policy.Settings());
        builder.Configuration.AddInMemoryCollection([KeyValuePair.Create("Mesh:Discovery:Providers:0", (string?)SimulatedCatalog.CatalogName)]);
        builder.Services.AddSingleton<TimeProvider>(clock);
        builder.Services.AddSingleton<IRandomSource>(random);
        builder.Services.AddSingleton<IEndpointHandlerFactory>(callee);
        builder.Services.AddSingleton<IEndpointCatalog>(callee.Catalog);
        builder.AddServiceMesh();
        builder.Services.AddHttpClient(SimulationPolicy.Service).RemoveAllLoggers();
        return builder.Build();
    }

    /// <summary>A Poisson process of requests.</summary>
    private sealed class Arrivals(Scenario scenario, VirtualClock clock, RequestLog log, SeededRandom random)
    {
        private readonly TimeSpan _mean = TimeSpan.FromSeconds(1 / scenario.Rate);

        public void Start() => clock.Schedule(random.NextTime(_mean), static self => ((Arrivals)self!).Next(), this);

        private void Next()
        {
            if (clock.Now < scenario.Duration)
            {
                Start();
                _ = log.SendAsync();
            }
        }
    }
}
