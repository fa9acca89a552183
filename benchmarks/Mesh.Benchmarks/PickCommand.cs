using System.Diagnostics;
using System.Text.Json;

namespace Mesh.Benchmarks;

/// <summary>
/// <c>pick --json</c>: a quick measurement of every policy, interleaved over rounds so that a noisy machine is noisy for
/// all; medians over slices that are shorter than what a scheduler hands out. Prints <c>{"LEAST_REQUEST":{"ns":…,"bytes":…},…}</c>.
/// </summary>
internal static class PickCommand
{
    private const int Rounds = 9;
    private const int Slices = 20;
    private const int Picks = 5_000;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(400);

    public static int Run(ReadOnlySpan<string> args)
    {
        if (args is not ([] or ["--json"]))
        {
            Console.Error.WriteLine($"pick: unknown arguments '{string.Join(' ', args)}'; allowed: --json.");
            return 2;
        }

        var fixtures = PickFixture.Policies.Select(PickFixture.Create).ToArray();
        foreach (var fixture in fixtures)
        {
            // Long enough for tiered compilation to finish.
            for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_warmUp;)
            {
                Measure(fixture);
            }
        }

        var results = fixtures.ToDictionary(fixture => fixture.Policy, _ => new List<(double Ns, double Bytes)>());
        for (var round = 0; round < Rounds; round++)
        {
            foreach (var fixture in fixtures)
            {
                // The others have emptied the caches.
                for (var slice = -Slices; slice < Slices; slice++)
                {
                    var sample = Measure(fixture);
                    if (slice >= 0)
                    {
                        results[fixture.Policy].Add(sample);
                    }
                }
            }
        }

        using var output = new Utf8JsonWriter(Console.OpenStandardOutput());
        output.WriteStartObject();
        foreach (var (policy, samples) in results)
        {
            output.WriteStartObject(policy);
            output.WriteNumber("ns", Math.Round(Median(samples.Select(sample => sample.Ns)), 1));
            output.WriteNumber("bytes", Math.Round(Median(samples.Select(sample => sample.Bytes)), 2));
            output.WriteEndObject();
        }

        output.WriteEndObject();
        output.Flush();
        Console.WriteLine();
        return 0;
    }

    private static (double Ns, double Bytes) Measure(PickFixture fixture)
    {
        var bytes = GC.GetAllocatedBytesForCurrentThread();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Picks; i++)
        {
            fixture.Pick();
        }

        var elapsed = Stopwatch.GetElapsedTime(start);
        bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
        return (elapsed.TotalNanoseconds / Picks, bytes / (double)Picks);
    }

    private static double Median(IEnumerable<double> samples) => samples.Order().ElementAt(Rounds * Slices / 2);
}
