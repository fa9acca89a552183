using System.Diagnostics;
using Mesh.Client.Telemetry;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Pipeline;

public sealed class FailoverTests
{
    private static readonly ServiceName s_reviews = new("reviews", "default");
    private static readonly ServiceName s_second = new("second", "default");
    private static readonly ServiceName s_third = new("third", "default");

    private readonly ScriptedCatalog _catalog = new() { First = [At("10.0.0.1")] };

    [Fact]
    public async Task Send_DestinationWithoutEndpoints_TheFirstThatHasSomeStandsIn()
    {
        await using var mesh = await StartAsync();

        await Get(mesh);
        _catalog.Observer.ServiceChanged(s_reviews, []);
        await Get(mesh);
        _catalog.Observer.ServiceChanged(s_second, [At("10.0.0.2")]);
        await Get(mesh);
        _catalog.Observer.ServiceChanged(s_reviews, [At("10.0.0.4")]);
        await Get(mesh);

        Assert.Equal(["10.0.0.1", "10.0.0.3", "10.0.0.2", "10.0.0.4"], mesh.Endpoints.Attempts.Select(static a => a.Endpoint.Address.Host));
        Assert.All(mesh.Endpoints.Attempts, static attempt => Assert.Equal("reviews", attempt.Uri.Host));
    }

    [Fact]
    public async Task Send_NoneHasEndpoints_NamesTheDestinationThatWasDrawn()
    {
        await using var mesh = await StartAsync();
        await Get(mesh);
        _catalog.Observer.ServiceChanged(s_reviews, []);
        _catalog.Observer.ServiceChanged(s_third, []);

        var error = await Assert.ThrowsAsync<NoHealthyEndpointException>(() => Get(mesh));

        Assert.Equal("reviews.default", error.Destination);
        Assert.Contains("and neither has any of second.default, third.default", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_DestinationPanics_StandInGoesFirstAndPanicLast()
    {
        await using var mesh = await StartAsync(more: """
            , "Outbound": { "RetryAttempts": 0, "OutlierDetection": { "Consecutive5xxErrors": 1, "MaxEjectionPercent": 100, "MinHealthPercent": 60 } }
            """);
        _catalog.Observer.ServiceChanged(s_reviews, [At("10.0.0.1"), At("10.0.0.4")]);
        mesh.Endpoints.Answer = static (n, _) => Task.FromResult(ScriptedEndpoints.Status(n == 0 ? 500 : 200));

        await Get(mesh);
        await Get(mesh);
        _catalog.Observer.ServiceChanged(s_third, []);
        await Get(mesh);

        var hosts = mesh.Endpoints.Attempts.Select(static a => a.Endpoint.Address.Host).ToArray();
        Assert.Contains(hosts[0], (string[])["10.0.0.1", "10.0.0.4"]);
        Assert.Equal("10.0.0.3", hosts[1]);
        Assert.Contains(hosts[2], (string[])["10.0.0.1", "10.0.0.4"]);
    }

    [Fact]
    public async Task Send_DestinationIsLostBetweenAttempts_TheNextAttemptFailsOver()
    {
        await using var mesh = await StartAsync();
        mesh.Endpoints.Script(
            () =>
            {
                _catalog.Observer.ServiceChanged(s_reviews, []);
                throw ScriptedEndpoints.ConnectFailure();
            },
            () => ScriptedEndpoints.Ok());

        await Get(mesh);

        Assert.Equal(["10.0.0.1", "10.0.0.3"], mesh.Endpoints.Attempts.Select(static a => a.Endpoint.Address.Host));
    }

    [Fact]
    public async Task Send_StandsIn_TheSpanNamesTheRealDestination()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == MeshClientTelemetry.Name,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (spans)
                {
                    spans.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using var mesh = await StartAsync();
        _catalog.Observer.ServiceChanged(s_reviews, []);
        using var parent = new Activity("caller").Start();

        await Get(mesh);

        lock (spans)
        {
            Assert.Equal("third.default", Assert.Single(spans, span => span.TraceId == parent.TraceId).GetTagItem("mesh.destination"));
        }
    }

    [Fact]
    public async Task Send_Denied_NoCallIsMadeAndTheIntentionIsNamed()
    {
        await using var mesh = await StartAsync(guarded: true);

        var error = await Assert.ThrowsAsync<IntentionDeniedException>(() => mesh.Get());

        Assert.Equal(("caller", "reviews.default", "caller → *"), (error.CallingService, error.Destination, error.Intention));
        Assert.Equal("GET http://reviews/: the Consul intention 'caller → *' denies 'caller' to call reviews.default; no call was made.", error.Message);
        Assert.IsAssignableFrom<MeshRejectedException>(error);
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    /// <summary><c>reviews</c> at 10.0.0.1, else <c>second</c>, which has no endpoint, else <c>third</c> at 10.0.0.3.</summary>
    private async Task<TestMesh> StartAsync(bool guarded = false, string more = "")
    {
        var mesh = await TestMesh.StartAsync(
            """ "Discovery": { "Providers": [ "Scripted" ] } """ + more, builder => builder.Services.AddSingleton<IEndpointCatalog>(_catalog));
        _catalog.Observer.ServiceChanged(s_second, [At("10.0.0.2")]);
        _catalog.Observer.ServiceChanged(s_third, [At("10.0.0.3")]);
        _catalog.Observer.ServiceChanged(s_second, []);

        var route = new Route
        {
            Name = "r",
            Arms = [Arm(mesh, s_reviews, [Arm(mesh, s_second), Arm(mesh, s_third)])],
            TotalWeight = 1,
            Retries = RetryPolicy.Default(2),
        };
        var guard = guarded
            ? Guard.Create("caller", "reviews.default", "*", new() { Location = default, Name = "caller" }, new())
            : null;
        mesh.Runtime.Current.Find("reviews")!.SetRoutes(new RouteTable("t", [route]), guard);
        return mesh;
    }

    private static RouteArm Arm(TestMesh mesh, ServiceName name, RouteArm[]? failover = null)
    {
        var key = new DestinationKey(name);
        return new RouteArm
        {
            Key = key,
            Weight = 1,
            Failover = failover,
            Destination = mesh.Runtime.Current.Find(name.Host)!.GetDestination(key),
        };
    }

    private static async Task Get(TestMesh mesh)
    {
        using var response = await mesh.Get();
    }

    private static Endpoint At(string host) => new() { Address = new Uri($"http://{host}:8080") };
}
