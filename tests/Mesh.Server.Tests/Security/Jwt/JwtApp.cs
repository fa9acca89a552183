using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>An application with rules about tokens, which answers what it sees.</summary>
internal sealed class JwtApp : IAsyncDisposable
{
    private readonly MetricCollector<long> _results;
    private int _served;

    private JwtApp(MeshApp mesh)
    {
        Mesh = mesh;
        _results = new MetricCollector<long>(
            mesh.App.Services.GetRequiredService<IMeterFactory>(), "Mesh.Server", "mesh.server.authentication");
        mesh.App.Map("/who", Answer);
    }

    public MeshApp Mesh { get; }

    /// <summary>Requests that came to the application.</summary>
    public int Served => Volatile.Read(ref _served);

    public IEnumerable<string> Results => _results.GetMeasurementSnapshot()
        .Select(static one => one.Tags.TryGetValue("mesh.reason", out var reason) ? $"{one.Tags["mesh.result"]} {reason}" : $"{one.Tags["mesh.result"]}");

    /// <summary>One rule with the issuer's keys.</summary>
    public static JsonObject Rule(TokenIssuer issuer, params (string Name, JsonNode? Value)[] more)
    {
        var rule = new JsonObject { ["Issuer"] = issuer.Name, ["Jwks"] = issuer.KeySet };
        foreach (var (name, value) in more)
        {
            rule.Remove(name);
            if (value is not null)
            {
                rule[name] = value;
            }
        }

        return rule;
    }

    public static Task<JwtApp> StartAsync(params JsonObject[] rules) => StartAsync(null, rules);

    public static async Task<JwtApp> StartAsync(Action<WebApplicationBuilder>? build, params JsonObject[] rules)
    {
        var section = new JsonObject
        {
            ["Mesh"] = new JsonObject
            {
                ["RequestAuthentication"] = new JsonArray(new JsonObject { ["Name"] = "users", ["JwtRules"] = new JsonArray([.. rules]) }),
            },
        };
        return new JwtApp(await MeshApp.StartAsync(build: builder =>
        {
            // Streams cannot be read again, and some tests reload.
            var read = new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(section.ToJsonString()))).Build();
            builder.Configuration.AddInMemoryCollection(read.AsEnumerable().Where(static pair => pair.Value is not null));
            build?.Invoke(builder);
        }));
    }

    public async Task<HttpResponseMessage> SendAsync(string path = "/who", params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        foreach (var (name, value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        return await Mesh.Client.SendAsync(request);
    }

    public Task<HttpResponseMessage> SendTokenAsync(string token) => SendAsync("/who", ("Authorization", $"Bearer {token}"));

    /// <summary>What the application sees.</summary>
    public async Task<Seen> SeeAsync(string path = "/who", params (string Name, string Value)[] headers)
    {
        using var response = await SendAsync(path, headers);
        Assert.True(response.IsSuccessStatusCode, $"{response.StatusCode}: {await response.Content.ReadAsStringAsync()}");
        return JsonSerializer.Deserialize<Seen>(await response.Content.ReadAsStringAsync())!;
    }

    public Task<Seen> SeeTokenAsync(string token) => SeeAsync("/who", ("Authorization", $"Bearer {token}"));

    public async ValueTask DisposeAsync()
    {
        _results.Dispose();
        await Mesh.DisposeAsync();
    }

    private Task Answer(HttpContext context)
    {
        Interlocked.Increment(ref _served);
        var user = context.Features.Get<EndUser>();
        return context.Response.WriteAsync(JsonSerializer.Serialize(new Seen(
            user?.Principal,
            user?.Claims.GetRawText(),
            context.User.Identity is { IsAuthenticated: true } identity ? identity.Name ?? "" : null,
            context.Request.QueryString.Value,
            context.Features.Get<IHttpRequestFeature>()!.RawTarget,
            context.Request.Headers.ToDictionary(static header => header.Key.ToLowerInvariant(), static header => header.Value.ToString()))));
    }

    internal sealed record Seen(string? Principal, string? Claims, string? User, string? Query, string Target, Dictionary<string, string> Headers);
}
