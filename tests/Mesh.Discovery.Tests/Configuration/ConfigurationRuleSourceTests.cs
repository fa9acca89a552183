using Mesh.Discovery.Configuration;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Tests.Configuration;

public sealed class ConfigurationRuleSourceTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void WatchAsync_DesignsExample_IsRead()
    {
        var batch = Reader.Configuration("""
            { "Mesh": {
              "Routes": { "reviews": [
                { "Name": "jason", "Match": [ { "Headers": { "end-user": { "Exact": "jason" } } } ], "Route": [ { "Subset": "v2" } ] },
                { "Route": [ { "Subset": "v1", "Weight": 75 }, { "Subset": "v2", "Weight": 25 } ],
                  "Timeout": "2s", "Retries": { "Attempts": 2, "PerTryTimeout": "500ms", "RetryOn": "5xx,connect-failure" } } ] },
              "Destinations": { "reviews": {
                "Subsets": { "v1": { "Labels": { "version": "v1" } }, "v2": { "Labels": { "version": "v2" } } },
                "LoadBalancer": { "Simple": "LEAST_REQUEST" } } } } }
            """);

        Assert.Empty(batch.Issues);
        var routes = Assert.IsType<VirtualServiceConfig>(batch.Rules[0]);
        Assert.Equal(("reviews", "default"), (routes.Name, routes.Namespace));
        Assert.Equal(["reviews"], routes.Hosts);
        Assert.Equal("jason", Assert.Single(Assert.Single(routes.Http[0].Match).Headers).Match.Value);
        Assert.Equal(("reviews", "v2", null), (routes.Http[0].Route[0].Host, routes.Http[0].Route[0].Subset, routes.Http[0].Route[0].Weight));
        Assert.Equal([75, 25], routes.Http[1].Route.Select(static arm => arm.Weight));
        Assert.Equal(TimeSpan.FromSeconds(2), routes.Http[1].Timeout);
        Assert.Equal(2, routes.Http[1].Retries!.Attempts);
        Assert.Equal("Mesh:Routes:reviews:1:Route:1", routes.Http[1].Route[1].Location.Path);
        var destination = Assert.IsType<DestinationRuleConfig>(batch.Rules[1]);
        Assert.Equal(["v1", "v2"], destination.Subsets.Select(static s => s.Name));
        Assert.Equal("v2", destination.Subsets[1].Labels["version"]);
        Assert.Equal("LEAST_REQUEST", destination.TrafficPolicy.LoadBalancer!.Simple);
    }

    [Fact]
    public void WatchAsync_IstiosLongForms_AreReadToo()
    {
        var batch = Reader.Configuration("""
            { "mesh": {
              "routes": { "reviews": [ { "route": [
                { "destination": { "host": "other", "subset": "v1", "port": { "number": 80 } }, "weight": 1 },
                { "Destination": { "Port": 81 } },
                { "Host": "third", "Port": 82 } ] } ] },
              "destinations": { "reviews": {
                "trafficPolicy": { "loadBalancer": { "simple": "round_robin" } },
                "subsets": { "v1": { "trafficPolicy": { "loadBalancer": { "simple": "Custom" } } },
                             "v2": { "loadBalancer": { "consistentHash": { "httpHeaderName": "x", "maglev": {} } } } } } } } }
            """);

        Assert.Empty(batch.Issues);
        var arms = ((VirtualServiceConfig)batch.Rules[0]).Http[0].Route;
        Assert.Equal(
            [("other", 80), ("reviews", 81), ("third", 82)], arms.Select(static arm => (arm.Host, arm.Port!.Value)));
        var destination = (DestinationRuleConfig)batch.Rules[1];
        Assert.Equal("ROUND_ROBIN", destination.TrafficPolicy.LoadBalancer!.Simple);
        Assert.Equal("Custom", destination.Subsets[0].TrafficPolicy.LoadBalancer!.Simple);
        Assert.Equal("x", destination.Subsets[1].TrafficPolicy.LoadBalancer!.ConsistentHash!.HttpHeaderName);
    }

    [Fact]
    public void WatchAsync_RetriesWithoutAttempts_HaveTheDefault()
    {
        var batch = Reader.Configuration("""
            { "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Retries": { "RetryOn": "5xx" } } ] } } }
            """);

        Assert.Equal(2, ((VirtualServiceConfig)batch.Rules[0]).Http[0].Retries!.Attempts);
    }

    [Theory]
    [InlineData("""{ "Routes": { "a": [] } }""")]
    [InlineData("""{ "Routes": {}, "Destinations": {} }""")]
    [InlineData("{}")]
    [InlineData("""{ "Routes": null }""")]
    public void WatchAsync_Nothing_IsNoRule(string mesh)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": {{mesh}} }""");

        Assert.Empty(batch.Rules);
        Assert.Empty(batch.Issues);
    }

    [Theory]
    [InlineData("""{ "a": [ { "Match": [ { "Headers": { "x": {} } } ], "Route": [ {} ] } ] }""")]
    [InlineData("""{ "a": [ { "Match": [ { "Headers": { "x": null } } ], "Route": [ {} ] } ] }""")]
    [InlineData("""{ "a": [ { "Match": [ { "Headers": { "x": "" } } ], "Route": [ {} ] } ] }""")]
    public void WatchAsync_HeaderWithoutComparison_AsksForPresence(string routes)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": { "Routes": {{routes}} } }""");

        Assert.Empty(batch.Issues);
        var header = Assert.Single(Assert.Single(((VirtualServiceConfig)batch.Rules[0]).Http[0].Match).Headers);
        Assert.Equal(StringMatchKind.Present, header.Match.Kind);
    }

    [Theory]
    [InlineData("""{ "a": [ { "Route": [ { "Weight": -5 } ] } ] }""", "a:0:Route:0:Weight: '-5' is out of range; allowed: a whole number of at least 0")]
    [InlineData("""{ "a": [ { "Route": [ { "Wieght": 5 } ] } ] }""", "a:0:Route:0:Wieght: unknown key 'Wieght'; did you mean 'Weight'? (allowed: Destination, Host, Subset, Port, Weight, Headers)")]
    [InlineData("""{ "a": [ { "Rout": [] } ] }""", "a:0:Rout: unknown key 'Rout'; did you mean 'Route'?")]
    [InlineData("""{ "a": { "Route": [ { "Subset": "v1" } ] } }""", "a: a map stands where a list is wanted")]
    [InlineData("""{ "a": "text" }""", "a: 'text' stands where a list is wanted")]
    [InlineData("""{ "a": [ "text" ] }""", "a:0: 'text' stands where keys and values are wanted")]
    [InlineData("""{ "a": [ { "Timeout": 5 } ] }""", "a:0:Timeout: '5' has no unit; write '5s'")]
    [InlineData("""{ "a": [ { "Match": [ { "Uri": "/x" } ] } ] }""", "a:0:Match:0:Uri: '/x' stands where a comparison is wanted; write { Exact: /x }")]
    [InlineData("""{ "a": [ { "Match": [ { "Gateways": [ "mesh" ] } ] } ] }""", "a:0:Match:0:Gateways: unknown key 'Gateways'")]
    [InlineData("""{ "a b": [ {} ] }""", "a b: 'a b' is not a host")]
    [InlineData("\"text\"", ": 'text' stands where keys and values are wanted")]
    public void WatchAsync_BadRoute_SaysPlaceValueAndWhatIsAllowed(string routes, string error)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": { "Routes": {{routes}} } }""");

        Assert.Empty(batch.Rules);
        Assert.StartsWith(
            "JsonStreamConfigurationProvider: Mesh:Routes", Assert.Single(batch.Issues).ToString(), StringComparison.Ordinal);
        Assert.Contains(error, batch.Issues[0].ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "Subsets": [ { "Name": "v1" } ] }""", "Subsets:0:Name: unknown key 'Name'")]
    [InlineData("""{ "LoadBalancer": "RANDOM" }""", "LoadBalancer: 'RANDOM' stands where keys and values are wanted")]
    [InlineData("""{ "LoadBalancer": { "Simple": "RANDOM" }, "TrafficPolicy": { "LoadBalancer": { "Simple": "RANDOM" } } }""", "LoadBalancer: is given twice")]
    [InlineData("""{ "Host": "a" }""", "Host: unknown key 'Host'")]
    public void WatchAsync_BadDestination_SaysPlaceAndReason(string destination, string error)
    {
        var batch = Reader.Configuration($$"""{ "Mesh": { "Destinations": { "a": {{destination}} } } }""");

        Assert.Empty(batch.Rules);
        Assert.Contains(error, string.Join('\n', batch.Issues), StringComparison.Ordinal);
    }

    [Fact]
    public void WatchAsync_FieldWithoutSupport_IsAWarningAndInStrictAnError()
    {
        const string Json = """
            { "Mesh": {
              "Routes": { "a": [ { "Route": [ {} ], "CorsPolicy": { "AllowMethods": [ "GET" ] } } ] },
              "Destinations": { "a": { "PortLevelSettings": [ { "Port": { "Number": 80 } } ], "Tunnel": { "TargetHost": "a" } } } } }
            """;

        var batch = Reader.Configuration(Json);
        Assert.Equal(2, batch.Rules.Count);
        Assert.Equal(
            ["Mesh:Routes:a:0:CorsPolicy", "Mesh:Destinations:a:PortLevelSettings", "Mesh:Destinations:a:Tunnel"],
            batch.Issues.Select(static issue => issue.Location.Path));
        Assert.All(batch.Issues, static issue => Assert.Equal(IssueSeverity.Warning, issue.Severity));
        Assert.Empty(Reader.Configuration(Json, strict: true).Rules);
    }

    [Fact]
    public void WatchAsync_SeveralProviders_EachValueNamesItsOwn()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-settings-");
        File.WriteAllText(
            Path.Combine(directory.FullName, "appsettings.json"),
            """{ "Mesh": { "Routes": { "a": [ { "Route": [ { "Subset": "v1", "Weight": 1 } ] } ] } } }""");
        var configuration = new ConfigurationBuilder()
            .SetBasePath(directory.FullName)
            .AddJsonFile("appsettings.json")
            .AddInMemoryCollection([new("Mesh:Routes:a:0:Route:0:Weight", "many")])
            .Build();
        RuleBatch? batch = null;

        _ = new ConfigurationRuleSource(configuration, new MeshOptions()).WatchAsync(b => batch = b, new CancellationToken(true));

        Assert.Equal(
            "configuration set in code: Mesh:Routes:a:0:Route:0:Weight: 'many' is not a whole number; "
            + "allowed: a whole number of at least 0",
            Assert.Single(batch!.Issues).ToString());
        Assert.Equal("Mesh:Routes:a", batch.Issues[0].Location.Document);
        directory.Delete(recursive: true);
    }

    [Fact]
    public void WatchAsync_TextAndKeysForOneKey_IsAnError()
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([new("Mesh:Destinations:a:LoadBalancer:Simple", "RANDOM")])
            .AddInMemoryCollection([new("Mesh:Destinations:a:LoadBalancer", "RANDOM")])
            .Build();
        RuleBatch? batch = null;

        _ = new ConfigurationRuleSource(configuration, new MeshOptions()).WatchAsync(b => batch = b, new CancellationToken(true));

        Assert.Contains("has both the text 'RANDOM' and keys below it", Assert.Single(batch!.Issues).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WatchAsync_EndlessNesting_IsAnError()
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([new("Mesh:Routes:a:0" + string.Concat(Enumerable.Repeat(":x", 5000)), "1")])
            .Build();
        RuleBatch? batch = null;

        _ = new ConfigurationRuleSource(configuration, new MeshOptions()).WatchAsync(b => batch = b, new CancellationToken(true));

        Assert.Contains(batch!.Issues, static issue => issue.Message == "nesting is deeper than 64 levels");
    }

    [Fact]
    public async Task WatchAsync_Reload_KeepsTheObjectsOfWhatDidNotChange()
    {
        var memory = new ReloadableSource();
        memory["Mesh:Routes:a:0:Route:0:Subset"] = "v1";
        memory["Mesh:Routes:b:0:Route:0:Subset"] = "v1";
        var configuration = new ConfigurationBuilder().Add(memory).Build();
        await using var watch = new Watch(configuration);
        var first = await watch.NextAsync();

        memory["Mesh:Routes:a:0:Route:0:Subset"] = "v2";
        memory.Reload();
        var second = await watch.NextAsync();
        Assert.NotSame(first.Rules[0], second.Rules[0]);
        Assert.Same(first.Rules[1], second.Rules[1]);

        memory["Mesh:Routes:a:0:Route:0:Weight"] = "x";
        memory["Mesh:Routes:b:0:Route:0:Subset"] = "v3";
        memory.Reload();
        var third = await watch.NextAsync();
        Assert.Equal("v3", ((VirtualServiceConfig)Assert.Single(third.Rules)).Http[0].Route[0].Subset);
        Assert.Contains("'x' is not a whole number", Assert.Single(third.Issues).Message, StringComparison.Ordinal);

        memory.Remove("Mesh:Routes:a:0:Route:0:Subset");
        memory.Remove("Mesh:Routes:a:0:Route:0:Weight");
        memory.Reload();
        var fourth = await watch.NextAsync();
        Assert.Same(third.Rules[0], Assert.Single(fourth.Rules));
        Assert.Empty(fourth.Issues);
    }

    [Fact]
    public async Task WatchAsync_ReloadOfSomethingElse_PublishesNothing()
    {
        var memory = new ReloadableSource();
        memory["Mesh:Routes:a:0:Route:0:Subset"] = "v1";
        var configuration = new ConfigurationBuilder().Add(memory).Build();
        await using var watch = new Watch(configuration);
        await watch.NextAsync();

        memory["Logging:LogLevel:Default"] = "Debug";
        memory.Reload();
        memory["Mesh:Routes:a:0:Route:0:Subset"] = "v2";
        memory.Reload();

        var next = await watch.NextAsync();
        Assert.Equal("v2", ((VirtualServiceConfig)next.Rules[0]).Http[0].Route[0].Subset);
    }

    private sealed class Watch : IAsyncDisposable
    {
        private readonly System.Threading.Channels.Channel<RuleBatch> _batches =
            System.Threading.Channels.Channel.CreateUnbounded<RuleBatch>();
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _task;

        public Watch(IConfiguration configuration) => _task = new ConfigurationRuleSource(configuration, new MeshOptions())
            .WatchAsync(batch => _batches.Writer.TryWrite(batch), _stop.Token);

        public async Task<RuleBatch> NextAsync() => await _batches.Reader.ReadAsync().AsTask().WaitAsync(s_patience);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _task.WaitAsync(s_patience);
            _stop.Dispose();
        }
    }
}
