using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;

namespace Mesh.Consul.Tests.Catalog;

/// <summary>What names mean, and where the agent listens.</summary>
public sealed class NamesTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Call_NamesOfAllKinds_GoWhereTheyShould()
    {
        var socket = Path.Combine(Path.GetTempPath(), $"c{Guid.NewGuid():N}.sock"[..12]);
        await using var agent = await ConsulAgent.StartAsync(
            new() { Configuration = $$"""{ "addresses": { "http": "127.0.0.1 unix://{{socket}}" } }""" }, Cancel);
        await using var prod = await Instance.StartAsync("prod");
        await using var staging = await Instance.StartAsync("staging");
        await using var others = await Instance.StartAsync("others");
        await agent.RegisterAsync("reviews", prod, more: In("prod"));
        await agent.RegisterAsync("reviews", staging, more: In("staging"));
        await agent.RegisterAsync("My-Upper", Named(others, "u"), more: Id("u"));
        await agent.RegisterAsync("my_service", others, more: Id("m"));
        await agent.RegisterAsync("example", others, more: Id("e"));
        await using var caller = await CallingProcess.StartAsync(
            new Uri($"unix://{socket}"), mesh: """ "Namespace": "prod", "Outbound": { "UnknownHosts": "Refuse" } """);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("prod", await caller.GetAsync("http://reviews/"));
            Assert.Equal("prod", await caller.GetAsync("http://reviews:8080/"));
            Assert.Equal("staging", await caller.GetAsync("http://reviews.staging/"));
        }

        Assert.Equal("others", await caller.GetAsync("http://my-upper/"));
        Assert.Equal("others", await caller.GetAsync("http://MY_service/"));
        Assert.Equal("others", await caller.GetAsync("http://example/"));
        Assert.Equal("others", await caller.GetAsync("http://example.service.dc1.consul/"));
        var answered = others.Answered;
        foreach (var host in (string[])["example.com", "example.nobody", "www.example.com", "example.service.consul"])
        {
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => caller.GetAsync($"http://{host}/"));
        }

        Assert.Equal(answered, others.Answered);

        // Changes of one with upper case are seen as well.
        await agent.PutAsync("/v1/agent/service/deregister/u", "");
        await Wait.UntilAsync(() => caller.Runtime.Current.Find("my-upper")!.Endpoints.Length == 0);

        static JsonObject In(string name) => new() { ["ID"] = $"reviews-{name}", ["Meta"] = new JsonObject { ["mesh-namespace"] = name } };
        static JsonObject Id(string id) => new() { ["ID"] = id };
        static Instance Named(Instance instance, string _) => instance;
    }

    [Fact]
    public async Task Call_StagingIsAbsent_TheSavedViewOfProdStays()
    {
        var views = Path.Combine(Path.GetTempPath(), $"mesh-views-{Guid.NewGuid():N}");
        try
        {
            await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
            await using var prod = await Instance.StartAsync("prod");
            await agent.RegisterAsync("reviews", prod);
            await using (var first = await CallingProcess.StartAsync(agent.Address, savedViews: views, mesh: """ "Namespace": "prod" """))
            {
                Assert.Equal("prod", await first.GetAsync("http://reviews/"));
                await Assert.ThrowsAnyAsync<HttpRequestException>(() => first.GetAsync("http://reviews.staging/"));
            }

            await agent.KillAsync();
            await using var second = await CallingProcess.StartAsync(agent.Address, savedViews: views, mesh: """ "Namespace": "prod" """);
            Assert.Equal("prod", await second.GetAsync("http://reviews/"));
        }
        finally
        {
            if (Directory.Exists(views))
            {
                Directory.Delete(views, recursive: true);
            }
        }
    }

    [Fact]
    public async Task Connections_BeyondTheAgentsLimit_WhatIsFollowedWorksAndNothingSpins()
    {
        await using var agent = await ConsulAgent.StartAsync(
            new() { Configuration = """{ "limits": { "http_max_conns_per_client": 20 } }""" }, Cancel);
        await using var web = await Instance.StartAsync("web");
        var names = Enumerable.Range(0, 40).Select(static i => $"s{i}").ToArray();
        foreach (var name in names)
        {
            await agent.RegisterAsync(name, web, more: new JsonObject { ["ID"] = name });
        }

        await using var caller = await CallingProcess.StartAsync(
            agent.Address, mesh: """ "Outbound": { "UnknownHosts": "Refuse" } """);
        var works = new List<string>();
        await Task.WhenAll(names.Select(async name =>
        {
            try
            {
                await caller.GetAsync($"http://{name}/");
                lock (works)
                {
                    works.Add(name);
                }
            }
            catch (HttpRequestException)
            {
                // No connection was left for it.
            }
        }));

        Assert.NotEmpty(works);
        await using var load = new Load(caller, $"http://{works[0]}/");
        var began = TimeProvider.System.GetTimestamp();
        var before = caller.Logs.GetSnapshot().Count;
        await load.GoOnAsync(3000);
        var lines = caller.Logs.GetSnapshot().Skip(before).Count(static log => log.Id.Id is > 300 and < 400);
        var seconds = TimeProvider.System.GetElapsedTime(began).TotalSeconds;
        Assert.True(lines <= 10 + (4 * seconds), $"{lines} lines in {seconds} s\n{caller.LogText()}");
        Assert.True(caller.LogText().Contains("http_max_conns_per_client"), caller.LogText());
        Assert.Empty(load.Failures);
    }
}
