using System.Diagnostics;
using System.Text.Json.Nodes;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Benchmarks.Consul;

/// <summary>
/// A process with <c>AddServiceMesh()</c> on Consul, with all that this brings (rules in keys, config entries,
/// intentions), that follows many services and calls none.
/// </summary>
internal static class ConsulClientProcess
{
    /// <summary>After the start, until compilation in the background has ended.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(20);

    public static async Task<int> RunAsync(Uri agent, int services, int seconds)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new() { ApplicationName = "benchmark" });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Mesh:Discovery:Providers:0"] = "Consul",
            ["Mesh:Discovery:Consul:Address"] = agent.GetLeftPart(UriPartial.Authority),
            ["Mesh:Discovery:Consul:SavedViewPath"] = "none",
        });
        builder.AddServiceMesh();
        using var host = builder.Build();
        await host.StartAsync();
        var runtime = host.Services.GetRequiredService<MeshRuntime>();

        // The first one brings along what there is once.
        await FollowAsync(runtime, 0, 1);
        var before = Heap();
        await FollowAsync(runtime, 1, services);
        var after = Heap();
        var endpoints = (services - 1) * ConsulCluster.InstancesEach;
        var json = new JsonObject
        {
            ["services"] = services,
            ["heap_bytes"] = after,
            ["heap_bytes_per_endpoint"] = (after - before) / endpoints,
            ["working_set_bytes"] = Environment.WorkingSet,
        };
        if (seconds > 0)
        {
            await Task.Delay(s_settle, TimeProvider.System);
            var start = Stopwatch.GetTimestamp();
            var used = Environment.CpuUsage.TotalTime;
            await Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System);
            used = Environment.CpuUsage.TotalTime - used;
            var minutes = Stopwatch.GetElapsedTime(start).TotalMinutes;
            json["cpu_ms_per_minute"] = Math.Round(used.TotalMilliseconds / minutes, 1);
        }

        Console.WriteLine(json.ToJsonString());
        await host.StopAsync();
        return 0;
    }

    private static async Task FollowAsync(MeshRuntime runtime, int from, int to)
    {
        for (var service = from; service < to; service++)
        {
            var name = new ServiceName(ConsulCluster.Name(service), "default");
            if (!await runtime.FollowAsync(name, CancellationToken.None)
                || runtime.Current.Find(name.Name)?.Endpoints.Length != ConsulCluster.InstancesEach)
            {
                throw new InvalidOperationException($"{name} has not all of its endpoints.");
            }
        }
    }

    private static long Heap()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
