using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Mesh.Benchmarks;

/// <summary><c>snapshot --json</c>: how long it takes until a change of one endpoint among 100 000 is what requests see.</summary>
internal static class SnapshotCommand
{
    private const int Changes = 2_000;

    public static int Run()
    {
        var fixture = SnapshotFixture.Create();
        for (var i = 0; i < Changes; i++)
        {
            fixture.ChangeOneEndpoint();
        }

        var times = new List<double>(Changes);
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Changes; i++)
        {
            var start = Stopwatch.GetTimestamp();
            fixture.ChangeOneEndpoint();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }

        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        if (!fixture.IsVisible())
        {
            throw new InvalidOperationException("The change is not visible.");
        }

        times.Sort();
        Console.WriteLine(new JsonObject
        {
            ["services"] = SnapshotFixture.Services,
            ["endpoints"] = SnapshotFixture.Services * SnapshotFixture.EndpointsEach,
            ["change_us"] = Math.Round(times[Changes / 2], 1),
            ["change_p99_us"] = Math.Round(times[(int)(Changes * 0.99)], 1),
            ["bytes"] = bytes / Changes,
        }.ToJsonString());
        return 0;
    }
}
