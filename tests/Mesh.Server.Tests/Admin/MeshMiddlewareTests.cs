using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Mesh.Discovery;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Tests.Admin;

public sealed class MeshMiddlewareTests
{
    private static readonly ServiceName s_ratings = new("ratings", "prod");

    [Fact]
    public async Task Health_WhileTheProcessLives_Is200()
    {
        await using var mesh = await MeshApp.StartAsync(catalog: new FakeCatalog { SyncsAtOnce = false });

        var response = await mesh.Client.GetAsync("/mesh/health");

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("healthy", await response.Content.ReadAsStringAsync());
        Assert.True(response.Headers.CacheControl!.NoStore);
    }

    [Fact]
    public async Task Ready_FirstViewMissing_Is503UntilItIsThere()
    {
        await using var mesh = await MeshApp.StartAsync(catalog: new FakeCatalog { SyncsAtOnce = false });

        var before = await mesh.Client.GetAsync("/mesh/ready");
        mesh.Catalog.Sync();
        var after = await mesh.Client.GetAsync("/mesh/ready");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, before.StatusCode);
        var body = await before.Content.ReadFromJsonAsync<JsonElement>();
        Assert.False(body.GetProperty("ready").GetBoolean());
        Assert.Equal("The first view of Fake is not there yet.", body.GetProperty("reasons")[0].GetString());
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
        Assert.True((await after.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("ready").GetBoolean());
    }

    [Fact]
    public async Task Endpoints_FromLoopback_TellsEverythingAboutEachService()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.Catalog.Report(
            s_ratings,
            new Endpoint
            {
                Address = new Uri("http://10.0.0.1:80"),
                Labels = new Labels([new("version", "v1")]),
                Weight = 3,
                Locality = new Locality("eu"),
            },
            new Endpoint { Address = new Uri("https://10.0.0.2:443"), Health = EndpointHealth.Unhealthy });

        var body = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/endpoints");

        var service = body.GetProperty("services").EnumerateArray().Single(static s => s.GetProperty("service").GetString() == "ratings.prod");
        Assert.Equal("ratings.prod.svc.cluster.local", service.GetProperty("host").GetString());
        var endpoint = service.GetProperty("endpoints")[0];
        Assert.Equal("http://10.0.0.1", endpoint.GetProperty("address").GetString());
        Assert.Equal("v1", endpoint.GetProperty("labels").GetProperty("version").GetString());
        Assert.Equal(3, endpoint.GetProperty("weight").GetInt32());
        Assert.Equal("eu", endpoint.GetProperty("locality").GetProperty("region").GetString());
        Assert.Equal("Healthy", endpoint.GetProperty("health").GetString());
        Assert.Equal(0, endpoint.GetProperty("inFlight").GetInt32());
        Assert.Equal("Unhealthy", service.GetProperty("endpoints")[1].GetProperty("health").GetString());
        var destination = Assert.Single(service.GetProperty("destinations").EnumerateArray());
        Assert.Equal("ratings.prod", destination.GetProperty("destination").GetString());
        Assert.Equal("10.0.0.1", Assert.Single(destination.GetProperty("endpoints").EnumerateArray()).GetString());
    }

    [Theory]
    [InlineData("s3cret", "", "The token of Mesh:Discovery:Consul:Token or CONSUL_HTTP_TOKEN")]
    [InlineData("", "/run/s3cret-file", "The token in /run/s3cret-file")]
    [InlineData("", "", "The anonymous token (none is set)")]
    public async Task Config_ConsulOptions_AreToldWithoutTheToken(string token, string file, string told)
    {
        await using var mesh = await MeshApp.StartAsync();
        var options = mesh.App.Services.GetRequiredService<MeshOptions>();
        options.Discovery.Providers.Add("Consul");
        options.Discovery.Consul.Address = new Uri("https://me:pa55@consul.example.com:8501");
        options.Discovery.Consul.Token = token;
        options.Discovery.Consul.TokenFile = file;
        options.Discovery.Consul.Tags.Add("blue");

        var text = await mesh.Client.GetStringAsync("/mesh/config");

        var consul = JsonDocument.Parse(text).RootElement.GetProperty("options").GetProperty("discovery").GetProperty("consul");
        Assert.Equal(told, consul.GetProperty("token").GetString());
        Assert.Equal("https://consul.example.com:8501", consul.GetProperty("address").GetString());
        Assert.Equal("blue", consul.GetProperty("tags")[0].GetString());
        Assert.Equal("/mesh/health", consul.GetProperty("check").GetProperty("path").GetString());
        foreach (var everything in mesh.Logs.GetSnapshot().Select(static log => $"{log.Message} {log.Exception}").Prepend(text))
        {
            Assert.DoesNotContain("pa55", everything, StringComparison.Ordinal);
            Assert.True(token.Length == 0 || !everything.Contains(token, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Config_FromLoopback_TellsOptionsRulesAndIssues()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-test-");
        var file = Path.Combine(directory.FullName, "ratings.yaml");
        await File.WriteAllTextAsync(file, """
            # The policy of ratings.
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: { name: ratings-policy, namespace: prod }
            spec:
              host: ratings
              workloadSelector: { matchLabels: { app: x } }
              subsets: [ { name: v1, labels: { version: v1 } } ]
            """);
        await using var mesh = await MeshApp.StartAsync(options =>
        {
            options.Advertise = new Uri("http://user:secret@reviews.example.com:81");
            options.Drain.Delay = TimeSpan.FromSeconds(3);
            options.Config.Files.Add(file);
        });
        directory.Delete(recursive: true);

        var text = await mesh.Client.GetStringAsync("/mesh/config");

        var body = JsonDocument.Parse(text).RootElement;
        Assert.Equal("reviews", body.GetProperty("service").GetString());
        Assert.Equal("prod", body.GetProperty("namespace").GetString());
        Assert.Equal("v2", body.GetProperty("labels").GetProperty("version").GetString());
        Assert.Equal("Fake", Assert.Single(body.GetProperty("providers").EnumerateArray()).GetString());
        Assert.Equal("http://reviews.example.com:81", body.GetProperty("advertise").GetString());
        Assert.DoesNotContain("secret", text, StringComparison.Ordinal);
        var options = body.GetProperty("options");
        Assert.Equal("00:00:03", options.GetProperty("drain").GetProperty("delay").GetString());
        Assert.Empty(options.GetProperty("admin").GetProperty("identities").EnumerateArray());
        Assert.Equal("00:00:00.2500000", options.GetProperty("discovery").GetProperty("file").GetProperty("pollInterval").GetString());
        Assert.Equal("Allow", options.GetProperty("outbound").GetProperty("unknownHosts").GetString());
        var rule = Assert.Single(body.GetProperty("rules").EnumerateArray());
        Assert.Equal("DestinationRule", rule.GetProperty("kind").GetString());
        Assert.Equal("ratings-policy", rule.GetProperty("name").GetString());
        Assert.Contains("ratings.yaml:2", rule.GetProperty("location").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, rule.GetProperty("precedence").GetInt32());
        Assert.True(rule.GetProperty("inEffect").GetBoolean());
        Assert.Equal("ratings", rule.GetProperty("hosts")[0].GetString());
        var issue = Assert.Single(body.GetProperty("issues").EnumerateArray());
        Assert.Equal("Warning", issue.GetProperty("severity").GetString());
        Assert.Contains("ratings.yaml:7", issue.GetProperty("location").GetString(), StringComparison.Ordinal);

        mesh.Catalog.Report(s_ratings, new Endpoint { Address = new Uri("http://10.0.0.1:80") });
        var endpoints = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/endpoints");
        var service = endpoints.GetProperty("services").EnumerateArray().Single(static s => s.GetProperty("service").GetString() == "ratings.prod");
        Assert.Equal("v1", service.GetProperty("subsets")[0].GetProperty("name").GetString());
        Assert.Equal("v1", service.GetProperty("subsets")[0].GetProperty("labels").GetProperty("version").GetString());
    }

    [Fact]
    public async Task Config_RouteWithFaultAndMirror_SaysSo()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-test-");
        var file = Path.Combine(directory.FullName, "ratings.yaml");
        await File.WriteAllTextAsync(file, """
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: { name: ratings, namespace: prod }
            spec:
              hosts: [ ratings ]
              http:
              - match: [ { method: { exact: GET } } ]
                route: [ { destination: { host: ratings } } ]
                fault:
                  delay: { percentage: { value: 0.5 }, fixedDelay: 2s }
                  abort: { percentage: { value: 0.0001 }, grpcStatus: UNAVAILABLE }
                mirror: { host: ratings-next, port: { number: 81 } }
                mirrorPercentage: { value: 12.5 }
              - route: [ { destination: { host: ratings } } ]
            """);
        await using var mesh = await MeshApp.StartAsync(options => options.Config.Files.Add(file));
        directory.Delete(recursive: true);

        var body = await mesh.Client.GetFromJsonAsync<JsonElement>("/mesh/config");

        var routes = Assert.Single(body.GetProperty("rules").EnumerateArray()).GetProperty("routes");
        Assert.Equal(
            """{"delay":"00:00:02","delayPercentage":0.5,"abortGrpcStatus":14,"abortPercentage":0.0001,"headerControlled":false}""",
            JsonSerializer.Serialize(routes[0].GetProperty("fault")));
        Assert.Equal("""[{"host":"ratings-next","port":81,"percentage":12.5}]""", JsonSerializer.Serialize(routes[0].GetProperty("mirrors")));
        Assert.False(routes[1].TryGetProperty("fault", out _));
        Assert.False(routes[1].TryGetProperty("mirrors", out _));
    }

    [Theory]
    [InlineData("/mesh/config")]
    [InlineData("/mesh/endpoints")]
    [InlineData("/MESH/Config")]
    public async Task Admin_ProxiedOrRebound_Is403ThatNamesTheSetting(string path)
    {
        await using var mesh = await MeshApp.StartAsync();

        var proxied = await SendAsync(mesh, path, static request => request.Headers.Add("X-Forwarded-For", "127.0.0.1"));
        var rebound = await SendAsync(mesh, path, static request => request.Headers.Host = "evil.example.com");

        foreach (var response in new[] { proxied, rebound })
        {
            Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
            var reason = await response.Content.ReadAsStringAsync();
            Assert.Contains("Mesh:Admin:Identities", reason, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', reason);
        }
    }

    [Fact]
    public async Task Admin_ForwardedHeadersMiddlewareInFront_CannotBeFooled()
    {
        await using var mesh = await MeshApp.StartAsync(build: static builder =>
        {
            // What ASPNETCORE_FORWARDEDHEADERS_ENABLED does, registered before us: it believes the header and removes it.
            builder.Services.AddSingleton<Microsoft.AspNetCore.Hosting.IStartupFilter>(new ForwardedFilter());
        });

        var response = await SendAsync(mesh, "/mesh/config", static request => request.Headers.Add("X-Forwarded-For", "127.0.0.1"));

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Admin_Disabled_LeavesThePathsToTheApplicationAndKeepsHealth()
    {
        await using var mesh = await MeshApp.StartAsync(static options => options.Admin.Enabled = false);

        Assert.Equal(HttpStatusCode.NotFound, (await mesh.Client.GetAsync("/mesh/config")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await mesh.Client.GetAsync("/mesh/endpoints")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await mesh.Client.GetAsync("/mesh/health")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await mesh.Client.GetAsync("/mesh/ready")).StatusCode);
    }

    [Theory]
    [InlineData("health")]
    [InlineData("ready")]
    [InlineData("config")]
    [InlineData("endpoints")]
    public async Task Any_OtherMethods_Are405AndHeadHasNoBody(string name)
    {
        await using var mesh = await MeshApp.StartAsync();

        var posted = await mesh.Client.PostAsync($"/mesh/{name}", null);
        var head = await mesh.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, $"/mesh/{name}"));

        Assert.Equal(HttpStatusCode.MethodNotAllowed, posted.StatusCode);
        Assert.Equal(["GET", "HEAD"], posted.Content.Headers.Allow);
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("/", "hello")]
    [InlineData("/mesh/other", "the application's own")]
    public async Task OtherPaths_Always_BelongToTheApplication(string path, string expected)
    {
        await using var mesh = await MeshApp.StartAsync();

        Assert.Equal(expected, await mesh.Client.GetStringAsync(path));
    }

    private static async Task<HttpResponseMessage> SendAsync(MeshApp mesh, string path, Action<HttpRequestMessage> change)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        change(request);
        return await mesh.Client.SendAsync(request);
    }

    private sealed class ForwardedFilter : Microsoft.AspNetCore.Hosting.IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(static (context, then) =>
            {
                context.Connection.RemoteIpAddress = IPAddress.Loopback;
                context.Request.Headers.Remove("X-Forwarded-For");
                return then(context);
            });
            next(app);
        };
    }
}
