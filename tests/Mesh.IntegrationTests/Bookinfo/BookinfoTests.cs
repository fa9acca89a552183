using System.Net;
using System.Net.Sockets;
using static Mesh.IntegrationTests.Bookinfo.Run;

namespace Mesh.IntegrationTests.Bookinfo;

/// <summary>The demo as a newcomer runs it: real processes, real sockets, the rules of samples/Bookinfo/mesh.</summary>
public sealed class BookinfoTests
{
    private const int Requests = 2000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Run_WithJson_PrintsOneObjectWithSharesOfTheRules()
    {
        await using var launcher = Launch("--requests", $"{Requests}", "--json");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, result.GetProperty("requests").GetInt32());
        Assert.True(result.GetProperty("p50_us").GetInt64() > 0);
        Assert.True(result.GetProperty("p99_us").GetInt64() >= result.GetProperty("p50_us").GetInt64());
        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Equal(Requests, Calls(result, "details", "v1"));
        Assert.Equal(Requests, Calls(result, "reviews", "v1") + Calls(result, "reviews", "v2"));
        Assert.Equal(Calls(result, "reviews", "v2"), Calls(result, "ratings", "v1"));
        AssertShare(0.25, Calls(result, "reviews", "v2"), Requests);
    }

    [Fact]
    public async Task Run_AsJason_GoesToVersion2Only()
    {
        await using var launcher = Launch("--requests", "500", "--json", "--header", "end-user=jason");
        var result = await ResultAsync(launcher);

        Assert.Equal("""{"v2":500}""", result.GetProperty("calls").GetProperty("reviews").GetRawText());
    }

    [Fact]
    public async Task Rules_EditedUnderLoad_TakeEffectAndBrokenOnesChangeNothing()
    {
        using var rules = new TemporaryRules();
        await using var launcher = Launch("--rate", "100", "--rules", rules.Path);
        await launcher.WaitForLineAsync("Product page: http://", Cancel);
        using var page = new ShownPage(launcher.Output);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        rules.Replace("subset: v2 }, weight: 25", "subset: v2 }, weight: 100");
        rules.Replace("subset: v1 }, weight: 75", "subset: v1 }, weight: 0");
        await page.UntilOnlyAsync("v2", inARow: 60, Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        rules.Replace("http:", "http: [ {");
        await launcher.WaitForLineAsync("reviews.yaml:", Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        await EndAsync(launcher);
    }

    [Fact]
    public async Task Kill_OfOneOfTwoReplicas_LosesNoRequest()
    {
        await using var launcher = Launch(
            "--requests", $"{Requests}", "--json", "--replicas", "2", "--kill", "reviews");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Contains("was killed", launcher.Error);
    }

    [Fact]
    public async Task RollingRestart_OfTwoReplicasOfEverything_LosesNoRequest()
    {
        await using var launcher = Launch(
            "--requests", $"{Requests}", "--json", "--replicas", "2", "--rolling-restart");
        var result = await ResultAsync(launcher);

        Assert.Equal(Requests, Calls(result, "productpage", "v1"));
        Assert.Contains("(12 of 12)", launcher.Error);
    }

    [Fact]
    public async Task Launcher_KilledHard_LeavesNoProcess()
    {
        await using var launcher = Launch();
        await launcher.WaitForLineAsync("Product page: http://", Cancel);
        var services = launcher.Descendants();
        Assert.Equal(6, services.Count);

        launcher.Kill();

        foreach (var service in services)
        {
            await service.WaitForExitAsync(Cancel).WaitAsync(TimeSpan.FromMinutes(1), Cancel);
            service.Dispose();
        }
    }

    [Fact]
    public async Task Port_TakenByAnotherProgram_IsNamedAndAnotherIsUsed()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        await using var launcher = ChildProcess.Start(
            Repository.Program("Bookinfo"), ["--requests", "20", "--json", "--port", $"{port}"]);
        await ResultAsync(launcher);

        Assert.Contains($"port {port} is taken by another program; productpage uses ", launcher.Error);
    }
}
