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
    /// <summary>Each query ends twice within this time, and what it runs is compiled.</summary>
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(135);

    public static async Task<int> RunAsync(Uri agent, int services, int minutes)
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
        var heapBefore = Heap();
        await FollowAsync(runtime, 1, services);
        var heap = Heap();
        var endpoints = (services - 1) * ConsulCluster.InstancesEach;
        var json = new JsonObject
        {
            ["services"] = services,
            ["heap_bytes"] = heap,
            ["heap_bytes_per_endpoint"] = (heap - heapBefore) / endpoints,
            ["working_set_bytes"] = Environment.WorkingSet,
        };
        if (minutes > 0)
        {
            await Task.Delay(s_warmUp, TimeProvider.System);
            var used = new List<double>();
            for (var minute = 0; minute < minutes; minute++)
            {
                var before = Environment.CpuUsage.TotalTime;
                await Task.Delay(TimeSpan.FromMinutes(1), TimeProvider.System);
                used.Add((Environment.CpuUsage.TotalTime - before).TotalMilliseconds);
            }

            json["cpu_ms_per_minute"] = new JsonObject { ["median"] = PipelineCommand.Median(used), ["max"] = used.Max() };
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
