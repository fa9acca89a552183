using System.Text.Json;

namespace Mesh.IntegrationTests.Bookinfo;

/// <summary>Runs of the launcher, and what must be true of all of them.</summary>
internal static class Run
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts the launcher on a free port: a demo may be running on this machine.</summary>
    public static ChildProcess Launch(params string[] arguments) => Launch([], arguments);

    /// <summary>The same, with more in its environment.</summary>
    public static ChildProcess Launch(Dictionary<string, string> environment, params string[] arguments) =>
        ChildProcess.Start(Repository.Program("Bookinfo"), ["--port", "0", .. arguments], environment: environment);

    /// <summary>Waits for the end of a counted run: no page failed, and no process is left.</summary>
    /// <returns>What it printed.</returns>
    public static async Task<JsonElement> ResultAsync(ChildProcess launcher)
    {
        var code = await launcher.WaitForExitAsync(Cancel);
        Assert.True(code == 0, $"It ended with {code}.\n{launcher.Output}\n{launcher.Error}");
        AssertNothingLeft(launcher);
        var result = JsonDocument.Parse(launcher.Output).RootElement;
        Assert.Equal(0, result.GetProperty("failures").GetInt32());
        return result;
    }

    /// <summary>Ends a run without an end in good order: no page failed, and no process is left.</summary>
    public static async Task EndAsync(ChildProcess launcher)
    {
        launcher.Terminate();
        Assert.True(await launcher.WaitForExitAsync(Cancel) == 0, launcher.Error);
        AssertNothingLeft(launcher);
    }

    public static void AssertNothingLeft(ChildProcess launcher) =>
        Assert.Empty(launcher.Descendants().Select(static process => process.ProcessName));

    public static int Calls(JsonElement result, string service, string version) =>
        result.GetProperty("calls").GetProperty(service).GetProperty(version).GetInt32();

    /// <summary>Within five standard deviations of a binomial share: less than one false alarm in a million.</summary>
    public static void AssertShare(double expected, int count, int of)
    {
        var tolerance = 5 * Math.Sqrt(expected * (1 - expected) / of);
        Assert.InRange(count / (double)of, expected - tolerance, expected + tolerance);
    }
}
