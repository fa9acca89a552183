using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Runtime;

public class ServiceStateTests
{
    private readonly ServiceState _service = new(
        new ServiceName("reviews", "prod"), static catalog => catalog == "second" ? 2 : 1, RetryPolicy.Default(2), Resilience.ResilienceFixture.NewContext());

    [Fact]
    public void SetEndpoints_WeightAndLabelsChange_StateSurvives()
    {
        _service.SetEndpoints("first", [At("a"), At("b")]);
        var state = _service.Endpoints[0];
        state.Enter();

        _service.SetEndpoints("first", [At("b"), At("a", "v2", weight: 7)]);

        Assert.Equal("b:81 a:81", Ids());
        Assert.Same(state, _service.Endpoints[1]);
        Assert.Equal((1, 7, "v2"), (state.InFlight, state.Endpoint.Weight, state.Endpoint.Labels["version"]));
    }

    [Fact]
    public void SetEndpoints_EndpointLeaves_RetiredOnceNoViewHoldsIt()
    {
        _service.SetEndpoints("first", [At("a"), At("b")]);
        var view = _service.GetDestination(new DestinationKey(_service.Name));
        var transport = new Watcher(() => Assert.Equal("b:81", string.Join(' ', view.View.Endpoints.Select(static e => e.Id))));
        _service.Endpoints[0].Transport = transport;

        _service.SetEndpoints("first", [At("b")]);

        Assert.Equal(1, transport.Count);
    }

    [Fact]
    public void SetEndpoints_LeavesWithCallsInFlight_ClosesWithTheLast()
    {
        _service.SetEndpoints("first", [At("a")]);
        var state = _service.Endpoints[0];
        var transport = new Watcher();
        state.Transport = transport;
        state.Enter();

        _service.SetEndpoints("first", []);
        Assert.Equal(0, transport.Count);
        state.Leave();

        Assert.Equal(1, transport.Count);
    }

    [Fact]
    public void SetEndpoints_TheSameAgain_ChangesNothing()
    {
        _service.SetEndpoints("first", [At("a")]);
        var destination = _service.GetDestination(new DestinationKey(_service.Name));
        var (view, endpoints) = (destination.View, _service.Endpoints);

        _service.SetEndpoints("first", [At("a")]);
        _service.SetEndpoints("second", []);

        Assert.Same(view, destination.View);
        Assert.Same(endpoints, _service.Endpoints);
    }

    [Fact]
    public void SetEndpoints_TwoCatalogs_TheBetterRankDescribes()
    {
        _service.SetEndpoints("second", [At("a", "v2"), At("c")]);
        _service.SetEndpoints("first", [At("a", "v1"), At("b")]);
        var a = _service.Endpoints[0];

        Assert.Equal("a:81 b:81 c:81", Ids());
        Assert.Equal("v1", a.Endpoint.Labels["version"]);

        _service.SetEndpoints("first", []);

        Assert.Equal("a:81 c:81", Ids());
        Assert.Same(a, _service.Endpoints[0]);
        Assert.Equal("v2", a.Endpoint.Labels["version"]);
    }

    [Fact]
    public void View_Unhealthy_TakesNoTrafficButStays()
    {
        _service.SetEndpoints("first", [At("a"), At("b") with { Health = EndpointHealth.Unhealthy }]);

        Assert.Equal("a:81", View());
        Assert.Equal("a:81 b:81", Ids());
    }

    [Fact]
    public void View_ZeroWeight_OnlyIfAllHaveIt()
    {
        _service.SetEndpoints("first", [At("a", weight: 0), At("b")]);
        Assert.Equal("b:81", View());

        _service.SetEndpoints("first", [At("a", weight: 0), At("b") with { Health = EndpointHealth.Unhealthy }]);
        Assert.Equal("a:81", View());

        _service.SetEndpoints("first", [At("a", weight: 0), At("b", weight: 0)]);
        Assert.Equal("a:81 b:81", View());
    }

    [Fact]
    public void View_Subsets_SelectByLabelsAndKeepTheirOwnWeights()
    {
        _service.SetPolicy(Rule.Destination("reviews", "v1", "v2"), isPassThrough: false);
        _service.SetEndpoints("first", [At("a"), At("b", "v2", weight: 0), At("c", "v3")]);

        Assert.Equal("a:81", View("v1"));
        Assert.Equal("b:81", View("v2"));
        Assert.Equal("", View("v3"));
        Assert.Equal("a:81 c:81", View());
        Assert.Same(_service.Endpoints[0], _service.GetDestination(new DestinationKey(_service.Name, "v1")).View.Endpoints[0]);
    }

    [Fact]
    public void View_SubsetIsNoLongerDefined_CallsThatChoseItStillFindIt()
    {
        _service.SetPolicy(Rule.Destination("reviews", "v1"), isPassThrough: false);
        _service.SetEndpoints("first", [At("a"), At("b", "v2")]);
        var destination = _service.GetDestination(new DestinationKey(_service.Name, "v1"));

        _service.SetPolicy(null, isPassThrough: false);

        Assert.Equal("a:81", string.Join(' ', destination.View.Endpoints.Select(static e => e.Id)));
    }

    [Fact]
    public void View_Ports_OnlyEndpointsOfThePortOrOfAll()
    {
        _service.SetEndpoints("first", [At("a") with { ServicePort = 80 }, At("b") with { ServicePort = 443 }, At("c")]);
        var destination = _service.GetDestination(new DestinationKey(_service.Name));

        Assert.True(_service.HasPorts);
        Assert.Equal("a:81 c:81", Show(destination.ForPort(80).View));
        Assert.Equal("b:81 c:81", Show(destination.ForPort(443).View));
        Assert.Equal("c:81", Show(destination.ForPort(1).View));
        Assert.Same(destination.ForPort(80), destination.ForPort(80));
        Assert.Same(destination.ForPort(80), destination.ForPort(80).ForPort(443));
    }

    [Fact]
    public void ForPort_NoPortsToTellApart_Itself()
    {
        _service.SetEndpoints("first", [At("a")]);
        var destination = _service.GetDestination(new DestinationKey(_service.Name));

        Assert.Same(destination, destination.ForPort(1234));
    }

    [Fact]
    public void View_LoadBalancer_TheSubsetsOwnElseTheRules()
    {
        var rule = Rule.Destination("reviews", "v1", "v2") with
        {
            TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("ROUND_ROBIN") },
        };
        rule = rule with
        {
            Subsets = [rule.Subsets[0] with { TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("LEAST_REQUEST") } }, rule.Subsets[1]],
        };
        _service.SetPolicy(rule, isPassThrough: false);

        Assert.Equal(["ROUND_ROBIN", "LEAST_REQUEST", "ROUND_ROBIN"], new string?[] { null, "v1", "v2" }
            .Select(subset => _service.GetDestination(new DestinationKey(_service.Name, subset)).View.LoadBalancer!.Simple!));
    }

    [Fact]
    public void View_PassThroughBalancer_GoesToTheDialledAddressThoughThereAreEndpoints()
    {
        _service.SetEndpoints("first", [At("a")]);
        _service.SetPolicy(
            Rule.Destination("reviews") with { TrafficPolicy = new TrafficPolicyConfig { LoadBalancer = Rule.Balancer("passthrough") } }, false);
        var view = _service.GetDestination(new DestinationKey(_service.Name)).View;

        Assert.True(view.IsPassThrough);
        Assert.Empty(view.Endpoints);
    }

    [Fact]
    public void View_PassThroughEntry_OnlyWhileThereAreNoEndpoints()
    {
        _service.SetPolicy(null, isPassThrough: true);
        var destination = _service.GetDestination(new DestinationKey(_service.Name));
        Assert.True(destination.View.IsPassThrough);
        Assert.True(destination.HadEndpoints.IsCompleted);

        _service.SetEndpoints("first", [At("a")]);

        Assert.False(destination.View.IsPassThrough);
    }

    [Fact]
    public void SetPolicy_TheSame_KeepsTheViews()
    {
        var rule = Rule.Destination("reviews", "v1");
        _service.SetPolicy(rule, isPassThrough: false);
        var destination = _service.GetDestination(new DestinationKey(_service.Name, "v1"));
        var view = destination.View;

        _service.SetPolicy(rule, isPassThrough: false);

        Assert.Same(view, destination.View);
    }

    [Fact]
    public void Routes_None_TheDefaultToAllEndpoints()
    {
        var routes = _service.Routes;
        var decision = routes.Decide(Rule.Request(), new FixedRandom(0));

        Assert.Equal(("default", "reviews.prod"), (decision.Route!.Name, decision.Arm!.Destination.Name));
        _service.SetRoutes(new RouteTable("x", []));
        _service.SetRoutes(null);
        Assert.Same(routes, _service.Routes);
    }

    [Fact]
    public async Task GetDestination_WhileEndpointsChange_NeverKeepsAnOldView()
    {
        for (var round = 0; round < 200; round++)
        {
            var key = new DestinationKey(_service.Name, null, round);
            using var gate = new Barrier(2);
            var change = Task.Run(() =>
            {
                gate.SignalAndWait(TestContext.Current.CancellationToken);
                _service.SetEndpoints("first", [At($"h{round}")]);
            }, TestContext.Current.CancellationToken);
            gate.SignalAndWait(TestContext.Current.CancellationToken);
            var destination = _service.GetDestination(key);
            await change;

            Assert.Equal($"h{round}:81", Show(destination.View));
        }
    }

    private static Endpoint At(string host, string version = "v1", int weight = 1) => new()
    {
        Address = new Uri($"http://{host}:81"),
        Labels = new Labels([new("version", version)]),
        Weight = weight,
    };

    private string Ids() => string.Join(' ', _service.Endpoints.Select(static endpoint => endpoint.Id));

    private string View(string? subset = null) => Show(_service.GetDestination(new DestinationKey(_service.Name, subset)).View);

    private static string Show(DestinationView view) => string.Join(' ', view.Endpoints.Select(static endpoint => endpoint.Id));

    private sealed class Watcher(Action? onDispose = null) : IDisposable
    {
        public int Count { get; private set; }

        public void Dispose()
        {
            onDispose?.Invoke();
            Count++;
        }
    }
}
