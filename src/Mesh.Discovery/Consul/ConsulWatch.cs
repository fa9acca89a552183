using System.Net;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>
/// Follows one query for as long as the process lives, with Consul's blocking queries, through everything that can go
/// wrong with the agent: what was told stays told until something better is there.
/// </summary>
/// <remarks>
/// Rules that others learned the hard way: after any failure the next query has no index (the agent may have restarted,
/// and would hold an old index for the whole wait); an index that goes backwards starts anew, and what comes with it is
/// doubted; pauses after failures grow and are jittered, but end as soon as any other watch hears the agent again.
/// </remarks>
internal sealed partial class ConsulWatch<T>
    where T : class
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);

    /// <summary>How long the first answer may take before a saved view takes its place.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>After this long without an answer nobody needs to wait for it any more.</summary>
    private static readonly TimeSpan s_giveUp = TimeSpan.FromSeconds(5);

    /// <summary>A query that changes all the time is not read more often than this.</summary>
    private static readonly TimeSpan s_leastInterval = TimeSpan.FromMilliseconds(50);

    private readonly ConsulConnection _consul;
    private readonly ConsulQuery<T> _query;
    private readonly Func<ConsulView<T>, CancellationToken, ValueTask<WatchVerdict>> _apply;
    private readonly Action? _failed;
    private byte[]? _applied;
    private ulong _lastIndex;
    private long _began;
    private long _refusedAt;
    private bool _hasFailed;
    private bool _dataLost;
    private bool _isTold;

    /// <param name="consul">The agent and what belongs to it.</param>
    /// <param name="query">What to follow.</param>
    /// <param name="apply">
    /// Takes what Consul says, and says whether it is believed. Throws <see cref="ConsulException"/> for what cannot be
    /// used at all.
    /// </param>
    /// <param name="failed">Told when an answer is not to be had soon, so that nobody waits for it.</param>
    public ConsulWatch(
        ConsulConnection consul,
        ConsulQuery<T> query,
        Func<ConsulView<T>, CancellationToken, ValueTask<WatchVerdict>> apply,
        Action? failed = null)
    {
        _consul = consul;
        _query = query;
        _apply = apply;
        _failed = failed;
    }

    /// <summary>Follows until cancelled; ends without an exception then.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await FollowAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of every watch.
        }
        finally
        {
            _consul.Status.Answers(_query.Path, isTold: false);
        }
    }

    private async Task FollowAsync(CancellationToken stop)
    {
        _began = _consul.Time.GetTimestamp();
        var index = 0UL;
        var wait = _consul.Options.WaitTime;
        var isDoubted = false;
        var pause = s_firstPause;
        var mayEndEarly = true;
        while (true)
        {
            var back = _consul.Status.Back;
            var began = _consul.Time.GetTimestamp();
            try
            {
                var answer = await AskAsync(index, wait, mayBeStale: !isDoubted, stop).ConfigureAwait(false);
                Note(answer, began);
                var verdict = await ApplyAsync(answer, isDoubted, stop).ConfigureAwait(false);
                isDoubted = !verdict.IsBelieved;
                index = answer.Index;
                wait = verdict.LookAgain is { } again && again < _consul.Options.WaitTime ? again : _consul.Options.WaitTime;
                pause = s_firstPause;
                mayEndEarly = true;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Whatever an answer makes somebody throw, the next one may be better; nobody else would ask again.
                var failure = e as ConsulException ?? new ConsulException(
                    $"What Consul at {_consul.Client.Agent} answered GET {_query.Path} cannot be used: {e}", HttpStatusCode.OK, e);
                await FailAsync(failure, isFresh: index == 0, began, stop).ConfigureAwait(false);
                index = 0;

                // Not twice in a row: where the agent turns away some connections only, others hear it all the time.
                mayEndEarly = !await PauseAsync(pause, mayEndEarly ? back : null, stop).ConfigureAwait(false);
                pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
                continue;
            }

            var took = _consul.Time.GetElapsedTime(began);
            if (took < s_leastInterval)
            {
                await Task.Delay(s_leastInterval - took, _consul.Time, stop).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Asks; while the very first answer takes its time, the saved view steps in.</summary>
    private async Task<ConsulAnswer<T>> AskAsync(ulong index, TimeSpan wait, bool mayBeStale, CancellationToken stop)
    {
        var asked = _consul.Client.GetAsync(_query, index, wait, mayBeStale, stop);
        if (!_isTold)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
            var limit = Task.Delay(s_patience, _consul.Time, patience.Token);
            var first = await Task.WhenAny(asked, limit).ConfigureAwait(false);
            await patience.CancelAsync().ConfigureAwait(false);
            if (first == limit && !stop.IsCancellationRequested)
            {
                await RestoreAsync(stop).ConfigureAwait(false);
            }
        }

        return await asked.ConfigureAwait(false);
    }

    private void Note(ConsulAnswer<T> answer, long asked)
    {
        if (answer.KnowsLeader)
        {
            // The cache of an agent answers without its servers too: that says no more than that the agent is there.
            if (!_query.IsOfAgentsCache || _hasFailed)
            {
                _consul.Status.Heard(asked);
            }
        }
        else
        {
            _consul.Status.Gone(new ConsulException(
                $"Consul at {_consul.Client.Agent} knows no leader of its servers, what it says may be old.", HttpStatusCode.OK));
        }

        if (answer.Index < _lastIndex)
        {
            _consul.Status.Trouble();
            _dataLost = true;
            Log.IndexWentBack(_consul.Logger, _query.Path, _lastIndex, answer.Index);
        }

        _lastIndex = answer.Index;
    }

    private async ValueTask<WatchVerdict> ApplyAsync(ConsulAnswer<T> answer, bool isDoubted, CancellationToken stop)
    {
        if (!isDoubted && _applied is not null && answer.Body.AsSpan().SequenceEqual(_applied))
        {
            // An index may go back without a loss, when Consul forgets deleted keys for example.
            _dataLost = false;
            _consul.Status.Answers(_query.Path, isTold: true);
            return WatchVerdict.Believed(isSaved: true);
        }

        var hold = _consul.Options.ShrinkHold;
        var afterTrouble = _consul.Status.HadTroubleWithin(hold)
            || (_refusedAt != 0 && _consul.Time.GetElapsedTime(_refusedAt) < hold);
        var view = new ConsulView<T>(answer.Value, afterTrouble, _dataLost, answer.IsFiltered, IsRestored: false)
        {
            IsFirstAfterFailure = _hasFailed,
        };
        var verdict = await _apply(view, stop).ConfigureAwait(false);
        _hasFailed = false;
        _isTold = true;
        _consul.Status.Answers(_query.Path, isTold: true);
        if (verdict.IsBelieved)
        {
            _applied = answer.Body;
            _dataLost = false;
            if (verdict.IsSaved)
            {
                _consul.Saved.Save(_query.Path, answer.Body);
            }
            else
            {
                _consul.Saved.Remove(_query.Path);
            }
        }

        return verdict;
    }

    private async ValueTask FailAsync(ConsulException e, bool isFresh, long asked, CancellationToken stop)
    {
        _hasFailed = true;

        // Beyond its limit the agent turns fresh connections away, while it goes on to answer the others.
        var isTurnedAway = isFresh && e.IsTurnedAway;
        var isOfAgent = IsOfAgent(e) && !isTurnedAway;
        if (isOfAgent)
        {
            _consul.Status.Gone(e);
        }
        else
        {
            if (e.IsAccessDenied)
            {
                _consul.Status.Heard(asked);
            }

            // Of no other query: one that is refused for good must not make all others doubted for good.
            _refusedAt = _consul.Time.GetTimestamp();
            if (isTurnedAway)
            {
                _consul.Status.TurnsAway(_query.Path, e);
            }
            else
            {
                _consul.Status.Refuses(_query.Path, e);
            }
        }

        if (!_isTold)
        {
            await RestoreAsync(stop).ConfigureAwait(false);
        }

        // Who starts from a saved view knows that what is not in it was not there.
        if (!isOfAgent || _consul.Status.SavedViewOf is not null || _consul.Status.IsGoneFor(s_giveUp)
            || _consul.Time.GetElapsedTime(_began) >= s_giveUp)
        {
            _failed?.Invoke();
        }
    }

    /// <summary>Whether it concerns everything there, and not this query only.</summary>
    private static bool IsOfAgent(ConsulException e) =>
        e.Status is null or HttpStatusCode.TooManyRequests or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable
            or HttpStatusCode.GatewayTimeout
        || (e.Status == HttpStatusCode.InternalServerError
            && (e.Message.Contains("leader", StringComparison.OrdinalIgnoreCase)
                || e.Message.Contains("No known Consul servers", StringComparison.OrdinalIgnoreCase)
                || e.Message.Contains("rpc error", StringComparison.OrdinalIgnoreCase)));

    private async ValueTask RestoreAsync(CancellationToken stop)
    {
        if (_isTold || _consul.Saved.Load(_query.Path) is not { } saved)
        {
            return;
        }

        try
        {
            var value = _consul.Client.Read(_query, saved.Body);
            var view = new ConsulView<T>(value, AfterTrouble: false, DataLost: false, IsFiltered: false, IsRestored: true);
            await _apply(view, stop).ConfigureAwait(false);
            _isTold = true;
            _consul.Status.UsesSaved(_query.Path, saved.SavedAt);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Log.SavedViewUnusable(_consul.Logger, _query.Path, e.Message);
        }
    }

    /// <returns>Whether it ended early.</returns>
    private async Task<bool> PauseAsync(TimeSpan pause, Task? back, CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop);
        var delay = Task.Delay(pause * (0.5 + _consul.Random.NextDouble()), _consul.Time, either.Token);
        var first = await Task.WhenAny(delay, back ?? delay).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        stop.ThrowIfCancellationRequested();
        return first != delay;
    }

    private static partial class Log
    {
        [LoggerMessage(313, LogLevel.Warning, "Consul's index of {Path} went back from {From} to {To}: it may have lost data, so what is missing there is not believed at once.")]
        public static partial void IndexWentBack(ILogger logger, string path, ulong from, ulong to);

        [LoggerMessage(314, LogLevel.Warning, "The saved view of {Path} cannot be used: {Error}")]
        public static partial void SavedViewUnusable(ILogger logger, string path, string error);
    }
}
