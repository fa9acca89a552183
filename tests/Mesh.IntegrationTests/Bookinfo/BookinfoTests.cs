using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Bookinfo;
using Xunit;

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
        using var page = new Page(launcher.Output);
        AssertShare(0.25, await page.CountAsync("v2", 400, Cancel), 400);

        rules.Replace("subset: v2 }, weight: 25", "subset: v2 }, weight: 100");
        rules.Replace("subset: v1 }, weight: 75", "subset: v1 }, weight: 0");
        await page.UntilOnlyAsync("v2", inARow: 60, Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        rules.Replace("http:", "http: [ {");
        await launcher.WaitForLineAsync("reviews.yaml:", Cancel);
        Assert.Equal(200, await page.CountAsync("v2", 200, Cancel));

        launcher.Terminate();
        Assert.True(await launcher.WaitForExitAsync(Cancel) == 0, launcher.Error);
        AssertNothingLeft(launcher);
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

    /// <summary>Starts the launcher on a free port: a demo may be running on this machine.</summary>
    private static ChildProcess Launch(params string[] arguments) =>
        ChildProcess.Start(Repository.Program("Bookinfo"), ["--port", "0", .. arguments]);

    private static async Task<JsonElement> ResultAsync(ChildProcess launcher)
    {
        var code = await launcher.WaitForExitAsync(Cancel);
        Assert.True(code == 0, $"It ended with {code}.\n{launcher.Output}\n{launcher.Error}");
        AssertNothingLeft(launcher);
        var result = JsonDocument.Parse(launcher.Output).RootElement;
        Assert.Equal(0, result.GetProperty("failures").GetInt32());
        return result;
    }

    private static void AssertNothingLeft(ChildProcess launcher) =>
        Assert.Empty(launcher.Descendants().Select(static process => process.ProcessName));

    private static int Calls(JsonElement result, string service, string version) =>
        result.GetProperty("calls").GetProperty(service).GetProperty(version).GetInt32();

    /// <summary>Within five standard deviations of a binomial share: less than one false alarm in a million.</summary>
    private static void AssertShare(double expected, int count, int of)
    {
        var tolerance = 5 * Math.Sqrt(expected * (1 - expected) / of);
        Assert.InRange(count / (double)of, expected - tolerance, expected + tolerance);
    }

    /// <summary>The product page as a browser asks for it, without a mesh.</summary>
    private sealed class Page(string launcherOutput) : IDisposable
    {
        private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

        private readonly HttpClient _client = new();
        private readonly Uri _address = new(launcherOutput.Split("Product page: ")[1].Split('\n')[0].Trim());

        public async Task<int> CountAsync(string version, int pages, CancellationToken cancel)
        {
            var count = 0;
            for (var page = 0; page < pages; page++)
            {
                count += await VersionAsync(cancel) == version ? 1 : 0;
            }

            return count;
        }

        public async Task UntilOnlyAsync(string version, int inARow, CancellationToken cancel)
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            stop.CancelAfter(s_limit);
            for (var seen = 0; seen < inARow;)
            {
                seen = await VersionAsync(stop.Token) == version ? seen + 1 : 0;
            }
        }

        public void Dispose() => _client.Dispose();

        private async Task<string> VersionAsync(CancellationToken cancel)
        {
            using var response = await _client.GetAsync(_address, cancel);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            var hops = Hop.Parse(response.Headers.GetValues(Hop.HeaderName).Single());
            return hops.Single(static hop => hop.Service == "reviews").Version;
        }
    }

    /// <summary>A copy of the demo's rules that a test may edit.</summary>
    private sealed class TemporaryRules : IDisposable
    {
        private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("bookinfo-rules-");

        public TemporaryRules()
        {
            foreach (var file in Directory.GetFiles(Repository.At("samples", "Bookinfo", "mesh")))
            {
                File.Copy(file, System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file)));
            }
        }

        public string Path => _directory.FullName;

        public void Replace(string text, string by)
        {
            var file = System.IO.Path.Combine(Path, "reviews.yaml");
            var before = File.ReadAllText(file);
            Assert.Contains(text, before);
            File.WriteAllText(file, before.Replace(text, by));
        }

        public void Dispose() => _directory.Delete(recursive: true);
    }
}
