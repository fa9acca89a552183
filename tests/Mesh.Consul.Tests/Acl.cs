using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Consul.Tests;

/// <summary>Tokens with chosen rights.</summary>
internal static class Acl
{
    /// <summary>The rights that the documentation asks for.</summary>
    public static string Documented(string service, string keys = "read") => $$"""
        service_prefix "" { policy = "read" }
        node_prefix "" { policy = "read" }
        service "{{service}}" { policy = "write" }
        key_prefix "mesh/config/" { policy = "{{keys}}" }
        """;

    public static async Task<string> CreateTokenAsync(ConsulAgent agent, string rules) => (await CreateAsync(agent, rules)).Token;

    /// <summary>A token, and its policy to change.</summary>
    public static async Task<(string Token, string Policy)> CreateAsync(ConsulAgent agent, string rules)
    {
        var name = $"policy-{Guid.NewGuid():N}";
        var policy = await PutAsync(agent, "v1/acl/policy", new JsonObject { ["Name"] = name, ["Rules"] = rules });
        var token = await PutAsync(
            agent, "v1/acl/token", new JsonObject { ["Policies"] = new JsonArray(new JsonObject { ["Name"] = name }) });
        return (token.GetProperty("SecretID").GetString()!, policy.GetProperty("ID").GetString()!);
    }

    public static Task SetRulesAsync(ConsulAgent agent, string policy, string rules) => PutAsync(
        agent, $"v1/acl/policy/{policy}", new JsonObject { ["ID"] = policy, ["Name"] = $"policy-{policy}", ["Rules"] = rules });

    private static async Task<JsonElement> PutAsync(ConsulAgent agent, string path, JsonObject body)
    {
        using var answer = await agent.HttpClient.PutAsync(
            path, new StringContent(body.ToJsonString()), TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }
}
