using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bookinfo.Launcher.Consul;

/// <summary>
/// The little of Consul's HTTP API that the demo itself needs, to stand in for the person who would write config
/// entries. The services need none of it.
/// </summary>
internal sealed class ConsulApi : IDisposable
{
    private readonly HttpClient _client;

    public ConsulApi(Uri address)
    {
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false })
        {
            BaseAddress = address,
            Timeout = TimeSpan.FromSeconds(10),
        };
        if (Environment.GetEnvironmentVariable("CONSUL_HTTP_TOKEN") is { Length: > 0 } token)
        {
            _client.DefaultRequestHeaders.Add("X-Consul-Token", token);
        }
    }

    /// <summary>The leader of the agent's servers: empty if there is none, null if no agent answers.</summary>
    public async Task<string?> LeaderAsync(CancellationToken cancel)
    {
        try
        {
            return (await GetAsync("v1/status/leader", cancel))?.GetValue<string>();
        }
        catch (Exception failure) when (failure is HttpRequestException or JsonException or InvalidOperationException)
        {
            // Nobody there, or another program.
            return null;
        }
    }

    /// <summary>Whether the agent has come so far that it keeps what is written.</summary>
    public async Task<bool> IsReadyAsync(CancellationToken cancel)
    {
        try
        {
            // The leader puts its own service into the catalog before it does anything else.
            return await GetAsync("v1/catalog/service/consul", cancel) is JsonArray { Count: > 0 };
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    public async Task<bool> HasUserInterfaceAsync(CancellationToken cancel)
    {
        using var answer = await _client.GetAsync("ui/", cancel);
        return answer.IsSuccessStatusCode;
    }

    /// <summary>The names of all registered services.</summary>
    public async Task<IReadOnlyList<string>> ServicesAsync(CancellationToken cancel) =>
        await GetAsync("v1/catalog/services", cancel) is JsonObject services
            ? [.. services.Select(static one => one.Key)]
            : [];

    /// <summary>Writes a config entry unless there is one already.</summary>
    /// <returns>Whether it was written.</returns>
    public async Task<bool> CreateEntryAsync(JsonObject entry, CancellationToken cancel)
    {
        using var answer = await _client.PutAsJsonAsync("v1/config?cas=0", entry, cancel);
        var text = await answer.Content.ReadAsStringAsync(cancel);
        return answer.IsSuccessStatusCode
            ? text.Trim() == "true"
            : throw Refused($"{entry["Kind"]} {entry["Name"]}", answer.StatusCode, text);
    }

    /// <summary>The number that changes with each change of a config entry; null if there is none.</summary>
    public async Task<ulong?> VersionOfEntryAsync(string kind, string name, CancellationToken cancel) =>
        (await GetAsync($"v1/config/{kind}/{name}", cancel))?["ModifyIndex"]?.GetValue<ulong>();

    public async Task DeleteEntryAsync(string kind, string name, CancellationToken cancel)
    {
        using var answer = await _client.DeleteAsync($"v1/config/{kind}/{name}", cancel);
        if (!answer.IsSuccessStatusCode)
        {
            throw Refused($"{kind} {name}", answer.StatusCode, await answer.Content.ReadAsStringAsync(cancel));
        }
    }

    public void Dispose() => _client.Dispose();

    private static HttpRequestException Refused(string what, HttpStatusCode status, string text) =>
        new($"Consul refuses {what}: {(int)status} {text.Trim()}", null, status);

    private async Task<JsonNode?> GetAsync(string path, CancellationToken cancel)
    {
        using var answer = await _client.GetAsync(path, cancel);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK => await answer.Content.ReadFromJsonAsync<JsonNode>(cancel),
            HttpStatusCode.NotFound => null,
            _ => throw Refused(path, answer.StatusCode, await answer.Content.ReadAsStringAsync(cancel)),
        };
    }
}
