using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Tests.Runtime;

public class MeshRuntimeRulesTests : RuntimeFixture
{
    [Fact]
    public async Task StartAsync_FirstRulesWithErrors_ThrowsThemAllEveryTime()
    {
        Sources.Add(new FakeRuleSource("kv", new RuleBatch([Bad("b")], [new RuleIssue(IssueSeverity.Error, Rule.At("", "", "kv/x"), "is not JSON")]), 1));

        var error = await Assert.ThrowsAsync<MeshConfigurationException>(() => Start(Bad("a")));

        Assert.Equal(3, error.Errors.Count);
        Assert.Contains("kv/x: is not JSON", error.Message, StringComparison.Ordinal);
        Assert.Contains("mesh/test.yaml: VirtualService prod/a: route: all weights are zero", error.Message, StringComparison.Ordinal);
        Assert.Contains("VirtualService prod/b", error.Message, StringComparison.Ordinal);
        Assert.Same(error, await Assert.ThrowsAsync<MeshConfigurationException>(() => Runtime.StartAsync(TestContext.Current.CancellationToken)));
        Assert.Equal(0, Catalog.Watches);
        Assert.False(Runtime.Synced.IsCompleted);
    }

    [Fact]
    public async Task StartAsync_Twice_FollowsOnce()
    {
        await Start();
        await Runtime.StartAsync(TestContext.Current.CancellationToken);

        Assert.Equal((1, 1, 1), (Rules.Watches, Catalog.Watches, Second.Watches));
    }

    [Fact]
    public async Task StartAsync_CallerGivesUp_TheStartGoesOnForOthers()
    {
        Rules.First = null;
        using var cancel = new CancellationTokenSource();
        var first = Runtime.StartAsync(cancel.Token);
        var second = Runtime.StartAsync(TestContext.Current.CancellationToken);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(second.IsCompleted);
        Rules.Publish(Good("a"));

        await second;
        Assert.Equal("a", Routes("a")[0].Name);
    }

    [Fact]
    public async Task StartAsync_SilentSource_StartsWithoutItAndItsRulesJoin()
    {
        var slow = new FakeRuleSource("kv", precedence: 1);
        Sources.Add(slow);
        var start = Start(Good("a", "local"));
        Assert.False(start.IsCompleted);

        Time.Advance(Options.Outbound.FirstViewTimeout);
        await start;
        Assert.Equal("local", Routes("a")[0].Name);

        slow.Publish(Good("a", "shared").From("kv"), Bad("b").From("kv"));

        Assert.Equal("shared", Routes("a")[0].Name);
        Assert.Equal([false, true], Runtime.Current.Rules.Select(static rule => rule.InEffect));
        Assert.Single(Logs(LogLevel.Error));
    }

    [Fact]
    public async Task Publish_BadDocument_OnlyItIsRefusedAndItIsTold()
    {
        await Start(Good("a", "old"), Good("b", "old"));

        Rules.Publish(Bad("a"), Good("b", "new"));

        Assert.Equal(("old", "new"), (Routes("a")[0].Name, Routes("b")[0].Name));
        Assert.StartsWith("Rule refused; its last good version, if there is one, stays in use. mesh/test.yaml: VirtualService prod/a: route: all weights",
            Assert.Single(Logs(LogLevel.Error)), StringComparison.Ordinal);
        Assert.Equal(1, Rejected);
        Assert.Single(Runtime.Issues);
    }

    [Fact]
    public async Task Publish_TheSameMistakeAgain_IsToldOnce()
    {
        await Start(Good("a"));
        Rules.Publish(Bad("a"));
        Rules.Publish(Bad("a"), Good("b"));

        Assert.Single(Logs(LogLevel.Error));
        Assert.Equal(1, Rejected);
        Assert.DoesNotContain("All rules are good again and in use.", Logs(LogLevel.Information));
    }

    [Fact]
    public async Task Publish_SeveralMistakesAtOnce_CountAsOneChange()
    {
        await Start(Good("a"));
        Rules.Publish(Bad("a"), Bad("b"));

        Assert.Equal(2, Logs(LogLevel.Error).Length);
        Assert.Equal(1, Rejected);
    }

    [Fact]
    public async Task Publish_MendedThoughAWarningStays_RecoveryIsLogged()
    {
        var idle = Rule.Service("idle", [], Rule.Route(Rule.To("a")));
        await Start(Good("a"), idle);
        Assert.Single(Logs(LogLevel.Warning));

        Rules.Publish(Bad("a"), idle);
        Rules.Publish(Good("a", "new"), idle);

        Assert.Equal("new", Routes("a")[0].Name);
        Assert.Single(Logs(LogLevel.Information), static log => log == "All rules are good again and in use.");
        Assert.Single(Logs(LogLevel.Warning));
    }

    [Fact]
    public async Task Publish_OnlyAWarningIsGone_IsNoRecovery()
    {
        await Start(Rule.Service("idle", [], Rule.Route(Rule.To("a"))));
        Rules.Publish();

        Assert.DoesNotContain("All rules are good again and in use.", Logs(LogLevel.Information));
    }

    [Fact]
    public async Task Publish_DestinationRuleBreaksUnchangedRoutes_EverythingStays()
    {
        var routes = Rule.Service("reviews", ["reviews"], Rule.Route("old", Rule.To("reviews", "v1")));
        await Start(routes, Rule.Destination("reviews", "v1"));
        Catalog.Say(Reviews, At("h:1"));
        var snapshot = Runtime.Current;

        Rules.Publish(routes, Rule.Destination("reviews", "v2"));

        Assert.Same(snapshot, Runtime.Current);
        Assert.Equal("h:1", Show(Routes("reviews")[0].Arms[0].Destination.View));
        Assert.Equal(1, Rejected);
    }

    [Fact]
    public async Task Publish_DocumentRemoved_TheDefaultHoldsAgain()
    {
        await Start(Good("reviews", "mine"));
        Catalog.Say(Reviews, At("h:1"));
        Assert.Equal("mine", Routes("reviews")[0].Name);

        Rules.Publish();

        Assert.Equal("default", Routes("reviews")[0].Name);
        Assert.Equal("h:1", Show(Routes("reviews")[0].Arms[0].Destination.View));
    }

    [Fact]
    public async Task Publish_HostsThatOnlyRulesKnewAreRemoved_AreUnknownAgain()
    {
        await Start(
            Rule.Entry("api", ServiceResolution.Dns, "api.example.com"),
            Rule.Entry("wild", ServiceResolution.None, "*.example.org"),
            Rule.Service("shop", ["shop"], Rule.Route(Rule.To("cart"))));
        var transport = new Transport();
        Service("api.example.com").Endpoints[0].Transport = transport;
        Assert.True(View(Service("x.example.org")).IsPassThrough);
        Assert.NotNull(Runtime.Current.Find("cart"));

        Rules.Publish(Good("other"));

        Assert.All(["api.example.com", "x.example.org", "shop", "cart"], host => Assert.Null(Runtime.Current.Find(host)));
        Assert.NotNull(Runtime.Current.Find("other"));
        Assert.True(transport.IsDisposed);
    }

    [Fact]
    public async Task Publish_HostOfACatalog_StaysKnownThoughEmpty()
    {
        await Start(Rule.Entry("r", ServiceResolution.Dns, "reviews.prod.svc.cluster.local"));
        Catalog.Say(Reviews, At("h:1"));
        Catalog.Say(Reviews);

        Rules.Publish();

        Assert.Empty(Service("reviews").Endpoints);
    }

    [Fact]
    public async Task Publish_HiddenRoutesComeBack_TheyReachTheLivingService()
    {
        var shared = new FakeRuleSource("kv", RuleBatch.Empty, 1);
        Sources.Add(shared);
        await Start(Rule.Service("a", ["a"], Rule.Route("weak", Rule.To("b"))));
        shared.Publish(Rule.Service("s", ["a"], Rule.Route("strong", Rule.To("a"))).From("kv"));
        Assert.Null(Runtime.Current.Find("b"));

        shared.Publish();
        Catalog.Say(new ServiceName("b", "prod"), At("h:1"));

        Assert.Equal("weak", Routes("a")[0].Name);
        Assert.Same(Service("b"), Routes("a")[0].Arms[0].Destination.Service);
        Assert.Equal("h:1", Show(Routes("a")[0].Arms[0].Destination.View));
    }

    [Fact]
    public async Task Publish_EntryBecomesPassThroughAndBack_ThereIsAlwaysAWay()
    {
        var dns = Rule.Entry("api", ServiceResolution.Dns, "api.example.com");
        await Start(dns);
        var destination = Service("api.example.com").GetDestination(new DestinationKey(ServiceName.External("api.example.com")));
        Assert.Equal("api.example.com", Show(destination.View));

        Rules.Publish(dns with { Resolution = ServiceResolution.None });
        Assert.True(destination.View.IsPassThrough);
        Assert.Empty(destination.View.Endpoints);

        Rules.Publish(dns);
        Assert.Equal("api.example.com", Show(destination.View));
    }

    [Fact]
    public async Task Publish_OneDocument_OthersKeepRoutesViewsAndTheDictionary()
    {
        var a = Rule.Service("a", ["a"], Rule.Route("old", Rule.To("a", "v1")));
        var subsets = Rule.Destination("a", "v1");
        var entry = Rule.Entry("api", ServiceResolution.Dns, "api.example.com");
        await Start(a, subsets, entry, Good("b", "old"));
        Catalog.Say(new ServiceName("a", "prod"), At("h:1"));
        var (snapshot, route) = (Runtime.Current, Routes("a")[0]);
        var view = route.Arms[0].Destination.View;
        var api = Service("api.example.com");
        var apiView = View(api);

        Rules.Publish(a, subsets, entry, Good("b", "new"));

        Assert.Equal("new", Routes("b")[0].Name);
        Assert.Same(route, Routes("a")[0]);
        Assert.Same(view, route.Arms[0].Destination.View);
        Assert.Same(apiView, View(api));
        Assert.Same(snapshot.Services, Runtime.Current.Services);
        Assert.Equal(snapshot.Revision + 1, Runtime.Current.Revision);
    }

    [Fact]
    public async Task Publish_SubsetsAreRenamedUnderLoad_NoCallFindsNothing()
    {
        await Start(Generation(0));
        Catalog.Say(Reviews, At("h:1"));
        var random = new FixedRandom(0);
        using var done = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            var calls = 0;
            while (!done.IsCancellationRequested)
            {
                var destination = Service("reviews").Routes.Decide(Rule.Request(), random).Arm!.Destination;
                Assert.NotEmpty(destination.View.Endpoints);
                calls++;
                random.Asked.Clear();
            }

            return calls;
        }, TestContext.Current.CancellationToken);

        for (var i = 1; i <= 300; i++)
        {
            Rules.Publish(Generation(i));
        }

        await done.CancelAsync();
        Assert.NotEqual(-1, await reader);
        Assert.Equal(0, Rejected);

        static RuleConfig[] Generation(int i)
        {
            var subset = Rule.Destination("reviews", $"s{i}");
            return
            [
                Rule.Service("reviews", ["reviews"], Rule.Route(Rule.To("reviews", $"s{i}"))),
                subset with { Subsets = [subset.Subsets[0] with { Labels = new Labels([new("version", "v1")]) }] },
            ];
        }
    }

    [Fact]
    public async Task WatchAsync_Throws_IsCalledAgainWithGrowingPausesAndNothingIsForgotten()
    {
        await Start(Good("a", "old"));
        Rules.First = null;

        // The random source says 0.5: pauses are just what they are on average.
        foreach (var pause in new[] { 0.5, 1, 2, 4, 8, 16, 30, 30 })
        {
            var watches = Rules.Watches;
            Rules.Fail(new IOException("no disk"));
            Time.Advance(TimeSpan.FromSeconds(pause - 0.01));
            Assert.Equal(watches, Rules.Watches);
            Time.Advance(TimeSpan.FromSeconds(0.01));
            await Until(() => Rules.Watches == watches + 1);
        }

        Assert.Equal("old", Routes("a")[0].Name);
        Assert.Equal(8, Logs(LogLevel.Error).Length);
        Assert.All(Logs(LogLevel.Error), static log => Assert.StartsWith("Following file failed", log, StringComparison.Ordinal));

        Rules.Publish(Good("a", "new"));
        Assert.Equal("new", Routes("a")[0].Name);
    }

    [Fact]
    public async Task WatchAsync_ThrowsAfterALongGoodTime_PausesAreShortAgain()
    {
        await Start();
        for (var i = 0; i < 5; i++)
        {
            var watches = Rules.Watches;
            Rules.Fail(new IOException());
            Time.Advance(TimeSpan.FromSeconds(30));
            await Until(() => Rules.Watches > watches);
        }

        Time.Advance(TimeSpan.FromMinutes(1));
        Rules.Fail(new IOException());
        Time.Advance(TimeSpan.FromSeconds(0.5));

        await Until(() => Rules.Watches == 7);
    }

    [Theory]
    [InlineData("reviews.prod.svc.cluster.local", "reviews")]
    [InlineData("reviews.prod.svc.cluster.local", "reviews.prod")]
    [InlineData("example.com", "example.com")]
    [InlineData("reviews.prod", "reviews.prod")]
    public async Task Find_HostOfAServiceEntry_IsItsService(string declared, string called)
    {
        await Start(Rule.Entry("e", ServiceResolution.Static, declared) with { Endpoints = [Rule.Workload("10.0.0.1")] });

        Assert.Equal("10.0.0.1", Show(View(Service(called))));
    }

    [Fact]
    public async Task Find_LiteralTwoLabelHost_WinsOverTheServiceOfThatName()
    {
        await Start(Rule.Entry("e", ServiceResolution.Static, "example.com") with { Endpoints = [Rule.Workload("10.0.0.1")] });
        Catalog.Say(new ServiceName("example", "com"), At("h:1"));

        Assert.Equal("10.0.0.1", Show(View(Service("example.com"))));
        Assert.Equal("h:1", Show(View(Service("example.com.svc.cluster.local"))));
    }

    [Fact]
    public async Task Find_EntryWithTwoPorts_EachPortHasItsEndpoints()
    {
        await Start(Rule.Entry("e", ServiceResolution.Static, "db.example.com") with
        {
            Endpoints = [Rule.Workload("10.0.0.1")],
            Ports = [Rule.Port(80, "http", 8080), Rule.Port(90, "admin", 9090)],
        });
        var destination = Routes("db.example.com")[0].Arms[0].Destination;

        Assert.Equal("10.0.0.1:8080", Show(destination.ForPort(80).View));
        Assert.Equal("10.0.0.1:9090", Show(destination.ForPort(90).View));
        Assert.Empty(destination.ForPort(91).View.Endpoints);
    }

    [Fact]
    public async Task Routes_WildcardHost_ForServicesAndForUnknownHosts()
    {
        await Start(Rule.Service("all", ["*.prod.svc.cluster.local"], Rule.Route("wild", Rule.To("ratings"))), Good("reviews", "own"));
        Catalog.Say(Ratings, At("h:1"));

        Assert.Equal("wild", Routes("ratings")[0].Name);
        Assert.Equal("own", Routes("reviews")[0].Name);
        Assert.Equal("wild", Routes("unheard.prod.svc.cluster.local")[0].Name);
    }

    private static VirtualServiceConfig Good(string name, string? route = null) =>
        Rule.Service(name, [name], Rule.Route(route ?? name, Rule.To(name)));

    private static VirtualServiceConfig Bad(string name) =>
        Rule.Service(name, [name], Rule.Route("bad", Rule.To(name, weight: 0), Rule.To(name, weight: 0)));

    private sealed class Transport : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
