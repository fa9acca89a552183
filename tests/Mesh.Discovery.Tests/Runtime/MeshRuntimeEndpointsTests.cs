using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Tests.Runtime;

public class MeshRuntimeEndpointsTests : RuntimeFixture
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ServiceChanged_NewService_IsPublished()
    {
        await Start();
        var before = Runtime.Current;

        Catalog.Say(Reviews, At("h:1"));

        Assert.Null(before.Find("reviews"));
        Assert.Equal("h:1", Show(View(Service("reviews"))));
        Assert.Equal(before.Revision + 1, Runtime.Current.Revision);
    }

    [Fact]
    public async Task ServiceChanged_OneEndpoint_NothingElseIsRenewed()
    {
        await Start(Rule.Destination("ratings", "v1"), Rule.Service("ratings", ["ratings"], Rule.Route(Rule.To("ratings", "v1"))));
        Catalog.Say(Reviews, At("h:1"));
        Catalog.Say(Ratings, At("r:1"));
        var snapshot = Runtime.Current;
        var ratings = Service("ratings");
        var (all, subset, routes, endpoints) = (View(ratings), View(ratings, "v1"), ratings.Routes, ratings.Endpoints);

        Catalog.Say(Reviews, At("h:1"), At("h:2"));

        Assert.Equal("h:1 h:2", Show(View(Service("reviews"))));
        Assert.Same(snapshot, Runtime.Current);
        Assert.Same(all, View(ratings));
        Assert.Same(subset, View(ratings, "v1"));
        Assert.Same(routes, ratings.Routes);
        Assert.Same(endpoints, ratings.Endpoints);
    }

    [Fact]
    public async Task ServiceChanged_UnknownServiceWithoutEndpoints_IsNothing()
    {
        await Start();
        var before = Runtime.Current;

        Catalog.Say(Reviews);

        Assert.Same(before, Runtime.Current);
    }

    [Fact]
    public async Task ServiceChanged_BothCatalogs_AreMergedByTheirOrder()
    {
        await Start();
        Second.Say(Reviews, At("h:1", "second"), At("h:2", "second"));
        Catalog.Say(Reviews, At("h:1", "first"));

        Assert.Equal("h:1=first h:2=second", string.Join(' ',
            Service("reviews").Endpoints.Select(static e => $"{e.Id}={e.Endpoint.Labels["version"]}")));
    }

    [Fact]
    public async Task ServiceChanged_RulesComeLater_TheServiceFollowsThem()
    {
        await Start(Rule.Destination("*.prod.svc.cluster.local", "v1"), Rule.Service("a", ["a"], Rule.Route(Rule.To("reviews", "v1"))));

        Catalog.Say(Reviews, At("h:1"), At("h:2", "v2"));

        Assert.Equal("h:1", Show(Routes("a")[0].Arms[0].Destination.View));
    }

    [Fact]
    public async Task Synced_BothCatalogs_OnlyThenDoneAndPublished()
    {
        Catalog.OnWatch = static _ => { };
        Second.OnWatch = static _ => { };
        await Start();
        Catalog.Say(Reviews, At("h:1"));
        Assert.Null(Runtime.Current.Find("reviews"));
        Assert.Equal(["first", "second"], Runtime.Unsynced.Order());

        Catalog.Observer.Synced();
        Assert.NotNull(Runtime.Current.Find("reviews"));
        Assert.Equal(["second"], Runtime.Unsynced);
        Assert.False(Runtime.Synced.IsCompleted);

        Second.Observer.Synced();
        Second.Observer.Synced();
        Assert.True(Runtime.Synced.IsCompletedSuccessfully);
        Assert.Equal(2, Logs(LogLevel.Information).Length);
        Assert.Equal("First view of catalog first is here; the mesh knows 1 services.", Logs(LogLevel.Information)[0]);
    }

    [Fact]
    public async Task WaitForSyncAsync_CatalogStaysSilent_GivesUpOnceForAllAndShowsWhatThereIs()
    {
        Catalog.OnWatch = static _ => { };
        await Start();
        Catalog.Say(Reviews, At("h:1"));

        var first = Runtime.WaitForSyncAsync(TimeSpan.FromSeconds(5), Cancel);
        Time.Advance(TimeSpan.FromSeconds(3));
        var second = Runtime.WaitForSyncAsync(TimeSpan.FromSeconds(5), Cancel);
        Assert.False(first.IsCompleted || second.IsCompleted);
        Time.Advance(TimeSpan.FromSeconds(2));

        await Task.WhenAll(first, second);
        Assert.True(Runtime.WaitForSyncAsync(TimeSpan.FromSeconds(5), Cancel).IsCompletedSuccessfully);
        Assert.NotNull(Runtime.Current.Find("reviews"));
    }

    [Fact]
    public async Task WaitForSyncAsync_Synced_IsReleased()
    {
        Catalog.OnWatch = static _ => { };
        await Start();
        var wait = Runtime.WaitForSyncAsync(TimeSpan.FromSeconds(5), Cancel);

        Catalog.Observer.Synced();

        await wait;
    }

    [Fact]
    public async Task WatchAsync_CatalogFails_ItsEndpointsStayUntilItTellsAnew()
    {
        await Start();
        Catalog.Say(Reviews, At("h:1"));
        Catalog.Say(Ratings, At("r:1"));
        Second.Say(Ratings, At("r:2"));
        Catalog.OnWatch = static _ => { };

        Catalog.Fail(new IOException("gone"));
        Time.Advance(TimeSpan.FromMilliseconds(500));
        await Until(() => Catalog.Watches == 2);
        Catalog.Say(Reviews, At("h:2"));
        Assert.Equal("r:1 r:2", Show(View(Service("ratings"))));
        Catalog.Observer.Synced();

        Assert.Equal("h:2", Show(View(Service("reviews"))));
        Assert.Equal("r:2", Show(View(Service("ratings"))));
        Assert.StartsWith("Following first failed", Assert.Single(Logs(LogLevel.Error)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WaitForEndpointsAsync_FirstEndpoint_ReleasesAll()
    {
        var destination = await StartEmpty();
        var (first, second) = (Runtime.WaitForEndpointsAsync(destination, Cancel), Runtime.WaitForEndpointsAsync(destination, Cancel));
        Assert.False(first.IsCompleted || second.IsCompleted);

        Catalog.Say(Reviews, At("h:1"));

        await Task.WhenAll(first, second);
    }

    [Fact]
    public async Task WaitForEndpointsAsync_NoEndpoint_DeadlineCountsFromTheFirstCaller()
    {
        var destination = await StartEmpty();
        var first = Runtime.WaitForEndpointsAsync(destination, Cancel);
        Time.Advance(TimeSpan.FromSeconds(3));
        var second = Runtime.WaitForEndpointsAsync(destination, Cancel);
        Time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(first.IsCompleted || second.IsCompleted);

        Time.Advance(TimeSpan.FromSeconds(0.1));

        await Task.WhenAll(first, second);
        Assert.True(Runtime.WaitForEndpointsAsync(destination, Cancel).IsCompletedSuccessfully);
    }

    [Fact]
    public async Task WaitForEndpointsAsync_HadSomeAndLostThem_DoesNotWait()
    {
        var destination = await StartEmpty();
        Catalog.Say(Reviews, At("h:1"));
        Catalog.Say(Reviews);

        Assert.Empty(destination.View.Endpoints);
        Assert.True(Runtime.WaitForEndpointsAsync(destination, Cancel).IsCompletedSuccessfully);
    }

    [Fact]
    public async Task WaitForEndpointsAsync_OneCallerGivesUp_TheOthersWaitOn()
    {
        var destination = await StartEmpty();
        using var cancel = new CancellationTokenSource();
        var (first, second) = (Runtime.WaitForEndpointsAsync(destination, cancel.Token), Runtime.WaitForEndpointsAsync(destination, Cancel));

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(second.IsCompleted);
        Catalog.Say(Reviews, At("h:1"));
        await second;
    }

    [Fact]
    public async Task WaitForEndpointsAsync_EndpointOfAnotherSubset_DoesNotCount()
    {
        await Start(Rule.Destination("reviews", "v1"), Rule.Service("reviews", ["reviews"], Rule.Route(Rule.To("reviews", "v1"))));
        var wait = Runtime.WaitForEndpointsAsync(Routes("reviews")[0].Arms[0].Destination, Cancel);

        Catalog.Say(Reviews, At("h:2", "v2"));
        Assert.False(wait.IsCompleted);
        Catalog.Say(Reviews, At("h:2", "v2"), At("h:1"));

        await wait;
    }

    [Fact]
    public async Task WaitForEndpointsAsync_PassThrough_DoesNotWait()
    {
        await Start(Rule.Entry("e", ServiceResolution.None, "api.example.com"));

        Assert.True(Runtime.WaitForEndpointsAsync(Routes("api.example.com")[0].Arms[0].Destination, Cancel).IsCompletedSuccessfully);
    }

    [Fact]
    public async Task DisposeAsync_Started_EndsAllWatchesAndClosesTransports()
    {
        await Start();
        Catalog.Say(Reviews, At("h:1"), At("h:2"));
        var transport = new Transport();
        Service("reviews").Endpoints[1].Transport = transport;

        await Runtime.DisposeAsync();
        await Runtime.DisposeAsync();

        Assert.True(Rules.Ended && Catalog.Ended && Second.Ended);
        Assert.True(transport.IsDisposed);
        Assert.Empty(Logs(LogLevel.Error));
    }

    [Fact]
    public async Task DisposeAsync_WhileStarting_EndsTheStart()
    {
        Rules.First = null;
        var start = Runtime.StartAsync(Cancel);

        await Runtime.DisposeAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        Assert.True(Rules.Ended);
        Assert.Equal(0, Catalog.Watches);
    }

    [Fact]
    public async Task DisposeAsync_WhilePausing_DoesNotWaitForThePause()
    {
        await Start();
        Catalog.Fail(new IOException());

        await Runtime.DisposeAsync();

        Assert.Equal(1, Catalog.Watches);
    }

    [Fact]
    public async Task DisposeAsync_NeverStarted_IsFine()
    {
        await Runtime.DisposeAsync();

        Assert.Null(Runtime.Current.Find("reviews"));
    }

    [Fact]
    public async Task Changes_FromManyThreads_EndInTheLastOfEach()
    {
        await Start();
        var rules = Task.Run(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                Rules.Publish(Rule.Service("reviews", ["reviews"], Rule.Route($"r{i}", Rule.To("reviews"))));
            }
        }, Cancel);
        var catalogs = new[] { Catalog, Second }.Select(catalog => Task.Run(() =>
        {
            for (var i = 0; i < 300; i++)
            {
                catalog.Say(Reviews, At($"{catalog.Name}:{i + 1}"));
                catalog.Say(new ServiceName($"s{i % 50}", "prod"), At($"x:{i + 1}"));
            }
        }, Cancel));

        await Task.WhenAll([rules, .. catalogs]);

        Assert.Equal("r99", Routes("reviews")[0].Name);
        Assert.Equal("first:300 second:300", Show(Routes("reviews")[0].Arms[0].Destination.View));
        Assert.Equal(51, Runtime.Current.Services.Count);
    }

    private async Task<DestinationState> StartEmpty()
    {
        await Start(Rule.Service("reviews", ["reviews"], Rule.Route(Rule.To("reviews"))));
        return Routes("reviews")[0].Arms[0].Destination;
    }

    private sealed class Transport : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public void Dispose() => IsDisposed = true;
    }
}
