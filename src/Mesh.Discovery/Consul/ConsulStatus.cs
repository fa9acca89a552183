using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul;

/// <summary>How it stands with the agent, over all that is followed there. Says once that it is gone, and once that it is back.</summary>
internal sealed partial class ConsulStatus(string agent, TimeProvider time, ILogger logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _refused = new(StringComparer.Ordinal);

    /// <summary>Queries that the agent has not answered yet, and for which a saved answer is in use.</summary>
    private readonly Dictionary<string, DateTimeOffset> _saved = new(StringComparer.Ordinal);
    private TaskCompletionSource _back = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastTrouble;
    private long _goneSince;
    private string? _error;

    /// <summary>What is wrong now; null if all is well.</summary>
    public string? Error
    {
        get
        {
            lock (_lock)
            {
                return _error;
            }
        }
    }

    /// <summary>When the view that is in use was saved (its oldest part), if any of it is one of an earlier process.</summary>
    public DateTimeOffset? SavedViewOf
    {
        get
        {
            lock (_lock)
            {
                return _saved.Count > 0 ? _saved.Values.Min() : null;
            }
        }
    }

    /// <summary>What Consul refuses now.</summary>
    public IReadOnlyList<string> Refused
    {
        get
        {
            lock (_lock)
            {
                return [.. _refused.Values];
            }
        }
    }

    /// <summary>Done when the agent answers again. Taken before a pause, so that it ends early.</summary>
    public Task Back
    {
        get
        {
            lock (_lock)
            {
                return _back.Task;
            }
        }
    }

    /// <summary>The agent answered.</summary>
    public void Heard()
    {
        TaskCompletionSource? back = null;
        lock (_lock)
        {
            if (_goneSince != 0)
            {
                Log.Back(logger, agent, time.GetElapsedTime(_goneSince));
                _goneSince = 0;
                _error = null;
                back = _back;
                _back = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        back?.SetResult();
    }

    /// <summary>The agent is out of reach, or has no leader.</summary>
    public void Gone(ConsulException e)
    {
        lock (_lock)
        {
            _error = e.Message;
            _lastTrouble = time.GetTimestamp();
            if (_goneSince == 0)
            {
                _goneSince = _lastTrouble;
                Log.Gone(logger, e.Message);
            }
        }
    }

    /// <summary>Answers of the next time are to be doubted.</summary>
    public void Trouble()
    {
        lock (_lock)
        {
            _lastTrouble = time.GetTimestamp();
        }
    }

    /// <summary>One query is refused, and not what belongs to the agent as a whole. Told once for each reason.</summary>
    public void Refuses(string query, ConsulException e)
    {
        lock (_lock)
        {
            if (_refused.GetValueOrDefault(query) != e.Message)
            {
                _refused[query] = e.Message;
                Log.Refused(logger, e.Message);
            }
        }
    }

    /// <summary>A query is answered, or not followed any more.</summary>
    public void Answers(string query, bool isTold)
    {
        lock (_lock)
        {
            if (_refused.Remove(query) && isTold)
            {
                Log.WorksAgain(logger, query);
            }

            if (_saved.Remove(query) && _saved.Count == 0 && isTold)
            {
                Log.SavedIsReplaced(logger, agent);
            }
        }
    }

    /// <summary>Whether something was wrong within the last so much time.</summary>
    public bool HadTroubleWithin(TimeSpan period)
    {
        lock (_lock)
        {
            return _lastTrouble != 0 && time.GetElapsedTime(_lastTrouble) < period;
        }
    }

    /// <summary>What an earlier process saved is in use for a query, because the agent does not answer it. Told for the first one.</summary>
    public void UsesSaved(string query, DateTimeOffset savedAt)
    {
        lock (_lock)
        {
            if (_saved.Count == 0)
            {
                Log.UsesSaved(logger, agent, savedAt, time.GetUtcNow() - savedAt);
            }

            _saved[query] = savedAt;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(301, LogLevel.Warning, "The last good view stays in use, and nothing new is seen: {Error}")]
        public static partial void Gone(ILogger logger, string error);

        [LoggerMessage(302, LogLevel.Information, "Consul at {Agent} answers again after {Gone}.")]
        public static partial void Back(ILogger logger, string agent, TimeSpan gone);

        [LoggerMessage(311, LogLevel.Error, "Consul refuses what the mesh needs; what it said before stays in use. {Error}")]
        public static partial void Refused(ILogger logger, string error);

        [LoggerMessage(312, LogLevel.Information, "Consul answers {Path} again.")]
        public static partial void WorksAgain(ILogger logger, string path);

        [LoggerMessage(304, LogLevel.Information, "Nothing of the saved view is in use any more: Consul at {Agent} has answered everything.")]
        public static partial void SavedIsReplaced(ILogger logger, string agent);

        [LoggerMessage(303, LogLevel.Warning, "Consul at {Agent} does not answer: the view saved at {SavedAt} ({Age} ago) is in use until it does.")]
        public static partial void UsesSaved(ILogger logger, string agent, DateTimeOffset savedAt, TimeSpan age);
    }
}
