using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;

namespace Mesh.Consul.Tests.Support;

/// <summary>What operators and other programs do to an agent: plain calls of its API, as <c>consul …</c> makes them.</summary>
internal static class AgentCalls
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Registers an instance as <c>consul services register</c> does, with a TTL check that passes if asked for.</summary>
    public static async Task RegisterAsync(
        this ConsulAgent agent, string service, Instance instance, string? version = null, JsonObject? more = null, string? check = null)
    {
        var body = new JsonObject
        {
            ["ID"] = instance.Name,
            ["Name"] = service,
            ["Address"] = "127.0.0.1",
            ["Port"] = instance.Port,
        };
        if (version is not null)
        {
            body["Meta"] = new JsonObject { ["version"] = version };
        }

        if (check is not null)
        {
            body["Check"] = new JsonObject { ["CheckID"] = $"check-{instance.Name}", ["TTL"] = "10m", ["Status"] = check };
        }

        foreach (var (key, value) in more ?? [])
        {
            body[key] = value?.DeepClone();
        }

        await agent.PutAsync("/v1/agent/service/register", body.ToJsonString());
    }

    public static Task DeregisterAsync(this ConsulAgent agent, Instance instance) =>
        agent.PutAsync($"/v1/agent/service/deregister/{instance.Name}", "");

    public static Task SetCheckAsync(this ConsulAgent agent, Instance instance, string status) =>
        agent.PutAsync($"/v1/agent/check/update/check-{instance.Name}", $$"""{ "Status": "{{status}}" }""");

    public static Task PutKeyAsync(this ConsulAgent agent, string key, string value) => agent.PutAsync($"/v1/kv/{key}", value);

    /// <summary>Writes a config entry, as <c>consul config write</c> does.</summary>
    public static Task WriteEntryAsync(this ConsulAgent agent, string json) => agent.PutAsync("/v1/config", json);

    /// <summary>Writes an intention and returns its id.</summary>
    public static async Task<string> WriteIntentionAsync(
        this ConsulAgent agent, string source, string destination, string action = "deny")
    {
        using var answer = await agent.HttpClient.PostAsJsonAsync(
            "/v1/connect/intentions",
            new JsonObject { ["SourceName"] = source, ["DestinationName"] = destination, ["SourceType"] = "consul", ["Action"] = action },
            Cancel);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JsonNode>(Cancel))!["ID"]!.GetValue<string>();
    }

    public static async Task DeleteAsync(this ConsulAgent agent, string path)
    {
        using var answer = await agent.HttpClient.DeleteAsync(path, Cancel);
        answer.EnsureSuccessStatusCode();
    }

    public static async Task<JsonNode> GetAsync(this ConsulAgent agent, string path) =>
        (await agent.HttpClient.GetFromJsonAsync<JsonNode>(path, Cancel))!;

    public static async Task PutAsync(this ConsulAgent agent, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var answer = await agent.HttpClient.PutAsync(path, content, Cancel);
        Assert.True(answer.IsSuccessStatusCode, $"PUT {path}: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(Cancel)}");
    }
}
