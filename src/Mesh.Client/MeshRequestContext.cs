namespace Mesh.Client;

/// <summary>
/// What the calls of a process inherit from the request that it is serving: the time that is left for it, and how much it
/// matters. The server half sets it; calls through the mesh read it, with no code in between.
/// </summary>
/// <remarks>
/// Immutable, safe for concurrent use. <see cref="Current"/> flows with the asynchronous code, also into work that a handler
/// starts and does not wait for; such work begins with <see cref="Detach"/>, or its calls fail when the request's time is over.
/// </remarks>
public sealed class MeshRequestContext
{
    internal const long NoDeadline = long.MaxValue;

    private static readonly AsyncLocal<MeshRequestContext?> s_current = new();

    internal MeshRequestContext(TimeProvider time, long deadline, RequestPriority priority)
    {
        Time = time;
        Deadline = deadline;
        Priority = priority;
    }

    /// <summary>What holds here; null if nothing does: no request is being served, or one that says nothing.</summary>
    public static MeshRequestContext? Current => s_current.Value;

    /// <summary>The time that is left; zero if it is over; null if there is no deadline.</summary>
    public TimeSpan? Remaining => HasDeadline ? RemainingAt(Time.GetTimestamp()) : null;

    /// <summary>Whether there was a deadline and it has passed. Nobody waits for an answer any more.</summary>
    public bool HasExpired => HasDeadline && Time.GetTimestamp() >= Deadline;

    /// <summary>How much the request matters. Default <see cref="RequestPriority.Default"/>.</summary>
    public RequestPriority Priority { get; }

    internal bool HasDeadline => Deadline != NoDeadline;

    /// <summary>A timestamp of <see cref="Time"/>, or <see cref="NoDeadline"/>.</summary>
    internal long Deadline { get; }

    /// <summary>The clock that the deadline is of.</summary>
    internal TimeProvider Time { get; }

    /// <summary>Gives the calls that are made from here on another priority; the deadline stays as it is.</summary>
    /// <param name="priority">The priority.</param>
    /// <returns>Disposing it, in the method that called this one, ends it.</returns>
    /// <example><c>using (MeshRequestContext.WithPriority(RequestPriority.Sheddable)) { await client.GetAsync(…); }</c></example>
    public static IDisposable WithPriority(RequestPriority priority)
    {
        var outer = s_current.Value;
        return Push(new MeshRequestContext(outer?.Time ?? TimeProvider.System, outer?.Deadline ?? NoDeadline, priority));
    }

    /// <summary>Lets the calls that are made from here on inherit nothing: for work that goes on after the request.</summary>
    /// <returns>Disposing it, in the method that called this one, ends it.</returns>
    public static IDisposable Detach() => Push(null);

    /// <summary>Makes it current until the result is disposed, or the asynchronous method that called this one returns.</summary>
    internal static IDisposable Push(MeshRequestContext? context)
    {
        var scope = new Scope(s_current.Value);
        s_current.Value = context;
        return scope;
    }

    /// <summary>For a method that is asynchronous itself: its return ends it, without a scope.</summary>
    internal static void Set(MeshRequestContext? context) => s_current.Value = context;

    /// <summary>The timestamp at which so much time will have passed; <see cref="NoDeadline"/> if that is beyond counting.</summary>
    internal static long DeadlineAfter(TimeProvider time, long now, TimeSpan timeout)
    {
        var ticks = timeout.Ticks * ((double)time.TimestampFrequency / TimeSpan.TicksPerSecond);
        return ticks >= NoDeadline - Math.Max(now, 0) ? NoDeadline : now + (long)ticks;
    }

    /// <summary>The time that is left at a timestamp of <see cref="Time"/>, zero if it is over; there must be a deadline.</summary>
    internal TimeSpan RemainingAt(long now) => now >= Deadline ? TimeSpan.Zero : Time.GetElapsedTime(now, Deadline);

    private sealed class Scope(MeshRequestContext? outer) : IDisposable
    {
        private bool _isDisposed;

        public void Dispose()
        {
            if (!_isDisposed)
            {
                _isDisposed = true;
                s_current.Value = outer;
            }
        }
    }
}
