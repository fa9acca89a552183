using Spectre.Console;

namespace Bookinfo.Launcher;

/// <summary>Shows the run while it goes: a live table on a terminal, a line every few seconds elsewhere.</summary>
internal sealed class LiveView(CallStatistics statistics, EventLog events, string title, TimeProvider time)
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_lineEvery = TimeSpan.FromSeconds(5);

    // The table's shares and durations look back over this many refreshes, so that a changed rule is seen soon.
    private const int Window = 10;

    /// <summary>Shows until cancelled.</summary>
    /// <param name="console">A console on standard error.</param>
    /// <param name="table">Whether a table may be drawn.</param>
    /// <param name="cancel">Ends the view.</param>
    public async Task RunAsync(IAnsiConsole console, bool table, CancellationToken cancel)
    {
        try
        {
            await (table && console.Profile.Capabilities.Interactive ? DrawAsync(console, cancel) : PrintAsync(cancel));
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
        }
    }

    private async Task PrintAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(s_lineEvery, time);
        var before = statistics.Copy();
        while (await timer.WaitForNextTickAsync(cancel))
        {
            var now = statistics.Copy();
            events.Write($"last {s_lineEvery.TotalSeconds:0} s: {Report.Line(now.Since(before))}");
            before = now;
        }
    }

    private async Task DrawAsync(IAnsiConsole console, CancellationToken cancel)
    {
        var past = new Queue<CallStatistics>([statistics.Copy()]);
        events.Quiet = true;
        try
        {
            await console.Live(Draw(past)).AutoClear(true).StartAsync(async context =>
            {
                using var timer = new PeriodicTimer(s_refresh, time);
                while (await timer.WaitForNextTickAsync(cancel))
                {
                    past.Enqueue(statistics.Copy());
                    if (past.Count > Window + 1)
                    {
                        past.Dequeue();
                    }

                    context.UpdateTarget(Draw(past));
                }
            });
        }
        finally
        {
            events.Quiet = false;
        }
    }

    private Rows Draw(Queue<CallStatistics> past)
    {
        var now = past.Last();
        var caption = $"calls: since the start; the rest: last {s_refresh.TotalSeconds * Window:0} s";
        return new Rows(
        [
            new Markup($"[bold]{Markup.Escape(title)}[/]   Ctrl-C ends"),
            Report.Table(now, now.Since(past.Peek()), caption),
            .. events.Recent.Select(static line => new Text(line)),
        ]);
    }
}
