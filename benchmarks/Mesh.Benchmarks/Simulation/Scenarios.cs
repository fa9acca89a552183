namespace Mesh.Benchmarks.Simulation;

/// <summary>All scenarios. Each begins with ten good seconds, unless nothing is ever good in it.</summary>
internal static class Scenarios
{
    /// <summary>When one endpoint of <see cref="SlowEndpoint"/> begins and ceases to be slow, and how slow it is then.</summary>
    public static readonly (TimeSpan From, TimeSpan To, TimeSpan Takes) Slow =
        (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(2));

    public static Scenario SlowEndpoint { get; } = new("a", "one of 11 endpoints takes 2 s, for 30 of 60 s", static callee =>
    {
        callee.At(Slow.From.TotalSeconds, () => callee.Instances[0].Takes = Slow.Takes);
        callee.At(Slow.To.TotalSeconds, () => callee.Instances[0].Takes = null);
    });

    public static Scenario Outage { get; } = new("outage", "no endpoint serves: 20 s of 503, 20 s of refused connections, 20 s of both", static callee =>
    {
        foreach (var endpoint in callee.Instances)
        {
            endpoint.FailsWith = 503;
        }

        callee.At(20, () => Stop(callee.Instances));
        callee.At(40, () => Recover(callee.Instances.Where(static (_, i) => i % 2 == 0)));
    });

    public static IReadOnlyList<Scenario> All { get; } =
    [
        SlowEndpoint,
        new("b", "one of 11 endpoints answers 503 at once, for 30 of 60 s", static callee => FailFast(callee, 503)),
        new("b500", "the same with 500, which may be the request's own fault", static callee => FailFast(callee, 500)),
        new("c", "each of 11 endpoints pauses for 200 ms every 5 s, in turn", GarbageCollections),
        new("d", "rolling restart of 11 endpoints: withdrawn, drained, gone, a new one", RollingRestart),
        new("crash", "one of 11 endpoints ends without a word; the catalog notices after 10 s", Crash),
        new("e", "one of 3 zones falls silent for 30 of 60 s; the catalog notices after 15 s", ZoneLoss) { Endpoints = 12, Zones = 3 },
        Overload("f", "twice the load that 5 endpoints can bear; 30 requests wait at each (0.15 s)", queue: 30),
        Overload("f-queue", "the same, 100 requests wait at each (0.5 s)", queue: 100),
        Outage,
    ];

    /// <summary>10 ms on average and two at once are 200 requests a second for each endpoint.</summary>
    private static Scenario Overload(string key, string title, int queue) => new(key, title, static _ => { })
    {
        Endpoints = 5,
        Rate = 2000,
        Model = new EndpointModel { Concurrency = 2, Queue = queue },
    };

    private static void FailFast(SimulatedCallee callee, int status)
    {
        callee.At(10, () => callee.Instances[0].FailsWith = status);
        callee.At(40, () => callee.Instances[0].FailsWith = null);
    }

    private static void GarbageCollections(SimulatedCallee callee)
    {
        const double Every = 5;
        for (var i = 0; i < callee.Instances.Count; i++)
        {
            var endpoint = callee.Instances[i];
            for (var at = Every * (1 + ((double)i / callee.Instances.Count)); at < 60; at += Every)
            {
                callee.At(at, () => endpoint.Pause(TimeSpan.FromMilliseconds(200)));
            }
        }
    }

    /// <summary>One after the other, 4 s each; the new process takes three times as long for its first second.</summary>
    private static void RollingRestart(SimulatedCallee callee)
    {
        SimulatedEndpoint[] old = [.. callee.Instances];
        for (var i = 0; i < old.Length; i++)
        {
            var leaving = old[i];
            var at = 10 + (4.0 * i);
            callee.At(at, () => callee.Catalog.Remove(leaving));
            callee.At(at + 2, leaving.Stop);
            callee.At(at + 3, () =>
            {
                var fresh = callee.Create(leaving.Zone);
                fresh.Slowdown = 3;
                callee.Catalog.Add(fresh);
                callee.At(at + 4, () => fresh.Slowdown = 1);
            });
        }
    }

    private static void Crash(SimulatedCallee callee)
    {
        var lost = callee.Instances[0];
        callee.At(10, lost.Stop);
        callee.At(20, () => callee.Catalog.Remove(lost));
        callee.At(40, () => callee.Catalog.Add(callee.Create(lost.Zone)));
    }

    private static void ZoneLoss(SimulatedCallee callee)
    {
        SimulatedEndpoint[] lost = [.. callee.Instances.Where(static endpoint => endpoint.Zone == "eu-1")];
        foreach (var endpoint in lost)
        {
            callee.At(10, endpoint.FallSilent);
            callee.At(25, () => callee.Catalog.Remove(endpoint));
            callee.At(40, () =>
            {
                endpoint.Recover();
                callee.Catalog.Add(endpoint);
            });
        }
    }

    private static void Stop(IEnumerable<SimulatedEndpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            endpoint.Stop();
        }
    }

    private static void Recover(IEnumerable<SimulatedEndpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            endpoint.Recover();
        }
    }
}
