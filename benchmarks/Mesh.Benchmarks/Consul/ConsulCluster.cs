using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace Mesh.Benchmarks.Consul;

/// <summary>A cluster's worth of services in one agent's catalog, on nodes that are not the agent's own.</summary>
internal sealed class ConsulCluster(Uri agent) : IDisposable
{
    public const int Services = 1_000;
    public const int InstancesEach = 10;

    /// <summary>Consul takes no more operations in one transaction.</summary>
    private const int Batch = 64;

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = agent };

    public static string Name(int service) => $"service-{service}";

    /// <summary>Registers everything.</summary>
    public async Task FillAsync()
    {
        for (var instance = 0; instance <= InstancesEach; instance++)
        {
            var node = new JsonObject { ["Node"] = Node(instance), ["Address"] = Address(instance) };
            await PutAsync("v1/catalog/register", node);
        }

        var all = Enumerable.Range(0, Services * InstancesEach)
            .Select(static index => (Service: index / InstancesEach, Instance: index % InstancesEach));
        await Parallel.ForEachAsync(
            all.Chunk(Batch), new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (batch, _) =>
            {
                var operations = batch.Select(static one => (JsonNode)new JsonObject
                {
                    ["Service"] = new JsonObject
                    {
                        ["Verb"] = "set",
                        ["Node"] = Node(one.Instance),
                        ["Service"] = Instance(one.Service, one.Instance),
                    },
                });
                await PutAsync("v1/txn", new JsonArray([.. operations]));
            });
    }

    public Task RegisterAsync(int service, int instance) => PutAsync("v1/catalog/register", new JsonObject
    {
        ["Node"] = Node(instance),
        ["Address"] = Address(instance),
        ["SkipNodeUpdate"] = true,
        ["Service"] = Instance(service, instance),
    });

    public Task DeregisterAsync(int service, int instance) => PutAsync("v1/catalog/deregister", new JsonObject
    {
        ["Node"] = Node(instance),
        ["ServiceID"] = Id(service, instance),
    });

    public void Dispose() => _client.Dispose();

    private static string Node(int instance) => $"node-{instance}";

    private static string Address(int instance) => $"10.0.0.{instance + 1}";

    private static string Id(int service, int instance) => $"{Name(service)}-{instance}";

    private static JsonObject Instance(int service, int instance) => new()
    {
        ["ID"] = Id(service, instance),
        ["Service"] = Name(service),
        ["Address"] = Address(instance),
        ["Port"] = 10_000 + service,
        ["Meta"] = new JsonObject { ["version"] = instance % 2 == 0 ? "v1" : "v2" },
        ["Weights"] = new JsonObject { ["Passing"] = 1, ["Warning"] = 1 },
    };

    private async Task PutAsync(string path, JsonNode body)
    {
        using var answer = await _client.PutAsJsonAsync(path, body);
        if (!answer.IsSuccessStatusCode)
        {
            throw new InvalidOperationException(
                $"{path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        }
    }
}
