using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Bookinfo.Launcher;

/// <summary>Says what the statistics hold, for programs and for people.</summary>
internal static class Report
{
    /// <summary>
    /// <c>{"requests","failures","p50_us","p99_us","calls":{"reviews":{"v1":n}}}</c>; of calls, those that a known
    /// version answered.
    /// </summary>
    public static string Json(CallStatistics statistics)
    {
        var calls = new JsonObject();
        foreach (var ((service, version), counter) in statistics.Calls)
        {
            if (version == Hop.UnknownVersion)
            {
                continue;
            }

            if (calls[service] is not JsonObject versions)
            {
                calls[service] = versions = [];
            }

            versions[version] = counter.Count;
        }

        return new JsonObject
        {
            ["requests"] = statistics.Pages,
            ["failures"] = statistics.Failures,
            ["p50_us"] = statistics.PageLatency.Percentile(0.50),
            ["p99_us"] = statistics.PageLatency.Percentile(0.99),
            ["calls"] = calls,
        }.ToJsonString();
    }

    /// <summary>One line: <c>1200 pages, 0 failed, p50 2.1 ms, p99 8.0 ms; reviews v1 75.2 %, v2 24.8 %</c>.</summary>
    public static string Line(CallStatistics statistics)
    {
        var reviews = statistics.Calls
            .Where(static call => call.Key.Service == "reviews" && call.Value.Count > 0)
            .ToArray();
        var total = reviews.Sum(static call => call.Value.Count);
        var shares = string.Join(
            ", ",
            reviews.Select(call => $"{call.Key.Version} {Percent(call.Value.Count, total)}"));
        return $"{statistics.Pages} pages, {statistics.Failures} failed, p50 {Duration(statistics.PageLatency, 0.50)}, "
            + $"p99 {Duration(statistics.PageLatency, 0.99)}" + (shares.Length > 0 ? $"; reviews {shares}" : "");
    }

    /// <summary>Calls per service and version: all counts, and shares and durations of a part of the run.</summary>
    public static Table Table(CallStatistics all, CallStatistics part)
    {
        var table = new Table().Border(TableBorder.Rounded);
        table.AddColumn("service").AddColumn("version");
        foreach (var name in (string[])["calls", "share", "success", "p50", "p99"])
        {
            table.AddColumn(new TableColumn(name).RightAligned());
        }

        var totals = part.Calls.GroupBy(static call => call.Key.Service)
            .ToDictionary(static group => group.Key, static group => group.Sum(static call => call.Value.Count));
        var partCalls = part.Calls.ToDictionary();
        foreach (var (key, counter) in all.Calls)
        {
            if (!partCalls.TryGetValue(key, out var now))
            {
                continue;
            }

            var success = Percent(now.Count - now.Failures, now.Count);
            table.AddRow(
                Markup.Escape(key.Service),
                Markup.Escape(key.Version),
                counter.Count.ToString(CultureInfo.InvariantCulture),
                Percent(now.Count, totals[key.Service]),
                now.Failures == 0 ? success : $"[red]{success}[/]",
                Duration(now.Latency, 0.50),
                Duration(now.Latency, 0.99));
        }

        return table;
    }

    private static string Percent(long part, long whole) =>
        whole == 0 ? "-" : string.Create(CultureInfo.InvariantCulture, $"{100.0 * part / whole:0.0} %");

    private static string Duration(LatencyHistogram latency, double share) =>
        latency.Percentile(share) is > 0 and var microseconds
            ? string.Create(CultureInfo.InvariantCulture, $"{microseconds / 1000.0:0.0} ms")
            : "-";
}
