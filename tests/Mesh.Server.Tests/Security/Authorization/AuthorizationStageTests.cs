using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Text.Json;
using Mesh.Server.Inbound;
using Mesh.Server.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Tests.Security.Authorization;

public sealed class AuthorizationStageTests
{
    private const string DenyAdmin = """[ { "Name": "no-admin", "Action": "DENY", "Rules": [ { "To": [ { "Paths": [ "/admin*" ] } ] } ] } ]""";
    private const string OnlyReviews = """[ { "Name": "readers", "Rules": [ { "From": [ { "Principals": [ "cluster.local/ns/default/sa/reviews" ] } ] } ] } ]""";

    [Fact]
    public async Task Request_Denied_TellsTheCallerNothing()
    {
        await using var app = await GuardedApp.StartAsync(DenyAdmin);

        using var denied = await app.Client.GetAsync("/admin/users?token=secret");

        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
        Assert.Equal("RBAC: access denied", await denied.Content.ReadAsStringAsync());
        Assert.Equal(["Cache-Control", "Date", "Server", "Transfer-Encoding"], denied.Headers.Select(static header => header.Key).Order());
        Assert.Empty(app.Served);
        Assert.Equal("public", await app.Client.GetStringAsync("/public"));
    }

    [Fact]
    public async Task Request_Denied_LogNamesCallerAndRule()
    {
        await using var app = await GuardedApp.StartAsync(OnlyReviews, "spiffe://cluster.local/ns/default/sa/productpage");

        using var denied = await app.Client.GetAsync("/public/x%0Ay?token=secret");

        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
        var line = app.Logs.GetSnapshot().Single(static record => record.Id.Id == 2040);
        Assert.Equal(LogLevel.Warning, line.Level);
        Assert.Equal(
            "Denied spiffe://cluster.local/ns/default/sa/productpage at 127.0.0.1: 'GET' '/public/x%0Ay', by default/readers (rule -1): "
            + "no rule of the ALLOW policies default/readers matches it.",
            line.Message);
    }

    [Fact]
    public async Task Request_Denied_MetricAndSpanNameTheRule()
    {
        await using var app = await GuardedApp.StartAsync(DenyAdmin);
        using var decisions = Collect(app, "mesh.server.authorization");
        using var refused = Collect(app, "mesh.server.refused");
        var stopped = new TaskCompletionSource<Activity>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == "Microsoft.AspNetCore",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (activity.GetTagItem("mesh.authorization.result") is "denied" && activity.GetTagItem("mesh.authorization.policy") is "default/no-admin")
                {
                    stopped.TrySetResult(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);

        using var denied = await app.Client.GetAsync("/admin");
        using var allowed = await app.Client.GetAsync("/public");

        Assert.Equal(0, (await stopped.Task.WaitAsync(TimeSpan.FromSeconds(30))).GetTagItem("mesh.authorization.rule"));
        var measured = decisions.GetMeasurementSnapshot();
        Assert.Equal(
            ["denied DENY default/no-admin", "allowed none "],
            measured.Select(static one => $"{one.Tags["mesh.authorization.decision"]} {one.Tags["mesh.authorization.action"]} {one.Tags["mesh.authorization.policy"]}"));
        Assert.Equal("denied", Assert.Single(refused.GetMeasurementSnapshot()).Tags["mesh.reason"]);
    }

    [Fact]
    public async Task Request_DeniedInGrpc_IsPermissionDenied()
    {
        await using var app = await GuardedApp.StartAsync(DenyAdmin);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/admin.Service/Delete") { Content = new ByteArrayContent([]) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/grpc");

        using var denied = await app.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, denied.StatusCode);
        Assert.Equal("7", denied.Headers.GetValues("grpc-status").Single());
        Assert.Equal("RBAC: access denied", denied.Headers.GetValues("grpc-message").Single());
        Assert.Empty(app.Served);
    }

    [Theory]
    [InlineData("spiffe://cluster.local/ns/default/sa/reviews", true)]
    [InlineData("spiffe://cluster.local/ns/default/sa/productpage", false)]
    [InlineData("spiffe://other.example/ns/default/sa/reviews", false)]
    [InlineData(null, false)]
    public async Task Request_ByPrincipal_IsAllowedForThatOneOnly(string? peer, bool isAllowed)
    {
        await using var app = await GuardedApp.StartAsync(OnlyReviews, peer);

        using var response = await app.Client.GetAsync("/public");

        Assert.Equal(isAllowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Theory]
    [InlineData("X-Forwarded-Client-Cert", "URI=spiffe://cluster.local/ns/default/sa/reviews")]
    [InlineData("X-Forwarded-For", "10.0.0.1")]
    [InlineData("X-Real-IP", "10.0.0.1")]
    public async Task Request_ThatClaimsToBeSomebodyInAHeader_IsNobody(string name, string value)
    {
        await using var app = await GuardedApp.StartAsync("""
            [ { "Name": "a", "Rules": [ { "From": [ { "Principals": [ "*/sa/reviews" ] }, { "RemoteIpBlocks": [ "10.0.0.0/8" ] } ] } ] } ]
            """);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/public");
        request.Headers.TryAddWithoutValidation(name, value);

        using var response = await app.Client.SendAsync(request);

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    [Fact]
    public async Task Request_OfAnEndUser_IsDecidedByClaims()
    {
        var user = new EndUser("https://issuer.example/alice", JsonDocument.Parse("""{ "groups": [ "operators" ] }""").RootElement);
        const string Rules = """
            [ { "Name": "a", "Rules": [ {
              "From": [ { "RequestPrincipals": [ "https://issuer.example/*" ] } ],
              "When": [ { "Key": "request.auth.claims[groups]", "Values": [ "operators" ] } ] } ] } ]
            """;
        await using var known = await GuardedApp.StartAsync(Rules, user: user);
        await using var unknown = await GuardedApp.StartAsync(Rules);

        Assert.Equal("public", await known.Client.GetStringAsync("/public"));
        using var denied = await unknown.Client.GetAsync("/public");
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
    }

    [Fact]
    public async Task Request_ThatADryRunWouldDeny_IsServedAndCounted()
    {
        await using var app = await GuardedApp.StartAsync("""
            [ { "Name": "try", "Action": "DENY", "DryRun": true, "Rules": [ { "To": [ { "Paths": [ "/admin*" ] } ] } ] },
              { "Name": "look", "Action": "AUDIT", "Rules": [ { "To": [ { "Paths": [ "/public*" ] } ] } ] } ]
            """);
        using var shadow = Collect(app, "mesh.server.authorization.shadow");

        Assert.Equal("admin", await app.Client.GetStringAsync("/admin"));
        Assert.Equal("public", await app.Client.GetStringAsync("/public"));
        Assert.Equal("other", await app.Client.GetStringAsync("/other"));

        Assert.Equal(
            ["would-deny DENY default/try", "audit AUDIT default/look"],
            shadow.GetMeasurementSnapshot().Select(static one =>
                $"{one.Tags["mesh.authorization.decision"]} {one.Tags["mesh.authorization.action"]} {one.Tags["mesh.authorization.policy"]}"));
        Assert.Contains("by default/try (rule 0), which is only tried: rule 0 of the DENY policy default/try denies it.", Assert.Single(app.Lines(2041)), StringComparison.Ordinal);
        Assert.Contains("by default/look (rule 0)", Assert.Single(app.Lines(2042)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Denials_ManyInASecond_AreLoggedUpToALimit()
    {
        await using var app = await GuardedApp.StartAsync(DenyAdmin);

        for (var i = 0; i < AuthorizationLog.MaxLines + 5; i++)
        {
            using var denied = await app.Client.GetAsync("/admin");
        }

        app.Time.Advance(TimeSpan.FromSeconds(1));
        using var last = await app.Client.GetAsync("/admin");

        var lines = app.Lines(2040);
        Assert.Equal(AuthorizationLog.MaxLines + 1, lines.Length);
        Assert.EndsWith(" 5 like it before were not logged.", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_ForTheMeshsOwnEndpoints_IsNotAskedForRules()
    {
        await using var app = await GuardedApp.StartAsync("""[ { "Name": "nothing" } ]""");

        Assert.Equal("healthy", await app.Client.GetStringAsync("/mesh/health"));
        using var denied = await app.Client.GetAsync("/");
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
    }

    [Fact]
    public async Task Request_WithoutRules_IsNotCounted()
    {
        await using var app = await GuardedApp.StartAsync("[]");
        using var decisions = Collect(app, "mesh.server.authorization");

        Assert.Equal("admin", await app.Client.GetStringAsync("/admin"));

        Assert.Empty(decisions.GetMeasurementSnapshot());
    }

    private static MetricCollector<long> Collect(GuardedApp app, string instrument) =>
        new(app.Services.GetRequiredService<IMeterFactory>(), MeshServerTelemetry.Name, instrument);
}
