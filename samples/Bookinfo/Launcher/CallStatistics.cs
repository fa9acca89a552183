using System.Collections.Concurrent;

namespace Bookinfo.Launcher;

/// <summary>Counts pages, and the calls of which each was made. Safe for concurrent use.</summary>
internal sealed class CallStatistics
{
    private const int DistinctReasons = 5;

    private readonly ConcurrentDictionary<(string Service, string Version), CallCounter> _calls = new();
    private readonly ConcurrentDictionary<string, int> _reasons = new();
    private long _pages;
    private long _failures;

    /// <summary>Pages asked for and answered, well or not.</summary>
    public long Pages => Interlocked.Read(ref _pages);

    public long Failures => Interlocked.Read(ref _failures);

    public LatencyHistogram PageLatency { get; private init; } = new();

    /// <summary>The first few reasons for failed pages, and how often each was seen.</summary>
    public IEnumerable<KeyValuePair<string, int>> Reasons => _reasons.OrderByDescending(static reason => reason.Value);

    /// <summary>Per service and version, the page itself first, then by name.</summary>
    public IEnumerable<KeyValuePair<(string Service, string Version), CallCounter>> Calls => _calls
        .OrderBy(static call => call.Key.Service == ServiceDefinition.ProductPage.Service ? 0 : 1)
        .ThenBy(static call => call.Key.Service, StringComparer.Ordinal)
        .ThenBy(static call => call.Key.Version, StringComparer.Ordinal);

    /// <summary>Notes one page.</summary>
    /// <param name="hops">What the page said of who made it; the first is the page itself.</param>
    /// <param name="took">How long the launcher waited for it.</param>
    /// <param name="failure">Why it failed; null if it did not.</param>
    public void Record(IReadOnlyList<Hop> hops, TimeSpan took, string? failure)
    {
        Interlocked.Increment(ref _pages);
        PageLatency.Record(took);
        if (failure is not null)
        {
            Interlocked.Increment(ref _failures);
            if (_reasons.Count < DistinctReasons || _reasons.ContainsKey(failure))
            {
                _reasons.AddOrUpdate(failure, 1, static (_, count) => count + 1);
            }
        }

        var page = hops.Count > 0 ? hops[0] : new Hop(ServiceDefinition.ProductPage.Service, Hop.UnknownVersion);
        CounterOf(page).Record(took, failure is not null);
        foreach (var hop in hops.Skip(1))
        {
            CounterOf(hop).Record(TimeSpan.FromMilliseconds(hop.Milliseconds ?? 0), hop.Failed);
        }
    }

    public CallStatistics Copy()
    {
        var copy = new CallStatistics { PageLatency = PageLatency.Copy(), _pages = Pages, _failures = Failures };
        foreach (var (key, counter) in _calls)
        {
            copy._calls[key] = counter.Copy();
        }

        return copy;
    }

    /// <summary>What was recorded here since an earlier copy was taken.</summary>
    public CallStatistics Since(CallStatistics earlier)
    {
        var difference = new CallStatistics
        {
            PageLatency = PageLatency.Since(earlier.PageLatency),
            _pages = Pages - earlier.Pages,
            _failures = Failures - earlier.Failures,
        };
        foreach (var (key, counter) in _calls)
        {
            difference._calls[key] = earlier._calls.TryGetValue(key, out var then)
                ? counter.Since(then)
                : counter.Copy();
        }

        return difference;
    }

    private CallCounter CounterOf(Hop hop) =>
        _calls.GetOrAdd((hop.Service, hop.Version), static _ => new CallCounter());
}

/// <summary>Calls of one version of one service.</summary>
internal sealed class CallCounter
{
    private long _count;
    private long _failures;

    public long Count => Interlocked.Read(ref _count);

    public long Failures => Interlocked.Read(ref _failures);

    public LatencyHistogram Latency { get; private init; } = new();

    public void Record(TimeSpan took, bool failed)
    {
        Interlocked.Increment(ref _count);
        Latency.Record(took);
        if (failed)
        {
            Interlocked.Increment(ref _failures);
        }
    }

    public CallCounter Copy() => new() { _count = Count, _failures = Failures, Latency = Latency.Copy() };

    public CallCounter Since(CallCounter earlier) => new()
    {
        _count = Count - earlier.Count,
        _failures = Failures - earlier.Failures,
        Latency = Latency.Since(earlier.Latency),
    };
}
