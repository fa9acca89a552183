using System.Net;
using WireMock.RequestBuilders;
using WireMock.ResponseBuilders;
using WireMock.Server;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>What misbehaves in well-formed HTTP, scripted with WireMock.Net; all else is in <see cref="Cases"/>, byte by byte.</summary>
public sealed class WireMockTests : IDisposable
{
    private readonly WireMockServer _server = WireMockServer.Start();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Send_UnavailableTwice_IsRepeated()
    {
        Answer("down", null, "still down", static r => r.WithStatusCode(503));
        Answer("down", "still down", "up", static r => r.WithStatusCode(503));
        Answer("down", "up", null, static r => r.WithBody("ok"));
        await using var mesh = await Mesh();

        Assert.Equal("ok", await mesh.Finish(mesh.Http.GetStringAsync("http://reviews/", Cancel)));

        Assert.Equal(3, _server.LogEntries.Count);
        Assert.Equal(
            ["", "2", "3"],
            _server.LogEntries.Select(static e => e.RequestMessage!.Headers!.TryGetValue("x-mesh-attempt", out var attempt) ? attempt[0] : ""));
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_RetryAfter_IsWaitedFor()
    {
        Answer("busy", null, "free", static r => r.WithStatusCode(503).WithHeader("Retry-After", "7"));
        Answer("busy", "free", null, static r => r.WithBody("ok"));
        await using var mesh = await Mesh();
        var start = mesh.Time.GetUtcNow();

        Assert.Equal("ok", await mesh.Finish(mesh.Http.GetStringAsync("http://reviews/", Cancel), stepMs: 100));

        Assert.True(mesh.Time.GetUtcNow() - start >= TimeSpan.FromSeconds(7));
    }

    [Fact]
    public async Task Send_UnavailablePost_IsHandedOver()
    {
        _server.Given(Request.Create().UsingPost()).RespondWith(Response.Create().WithStatusCode(503).WithBody("busy"));
        await using var mesh = await Mesh();

        using var response = await mesh.Finish(mesh.Http.PostAsync("http://reviews/", new StringContent("x"), Cancel));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("busy", await response.Content.ReadAsStringAsync(Cancel));
        Assert.Single(_server.LogEntries);
        Assert.Equal(0, mesh.InFlight);
    }

    public void Dispose() => _server.Dispose();

    private void Answer(string scenario, string? state, string? next, Func<IResponseBuilder, IResponseBuilder> answer)
    {
        var given = _server.Given(Request.Create().UsingGet()).InScenario(scenario);
        given = state is null ? given : given.WhenStateIs(state);
        (next is null ? given : given.WillSetStateTo(next)).RespondWith(answer(Response.Create()));
    }

    private Task<TestMesh> Mesh() => TestMesh.StartAsync(
        $$"""
        "Services": { "reviews": { "Endpoints": [ { "Address": "{{_server.Urls[0]}}" } ] } },
        "Outbound": { "PerTryTimeout": "0", "Timeout": "0" }
        """,
        sockets: true,
        fakeTime: true);
}
