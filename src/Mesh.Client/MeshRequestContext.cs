namespace Mesh.Client;

/// <summary>
/// What the calls of a process inherit from the request that it is serving: the time that is left for it, and how much it
/// matters. The server half sets it; calls through the mesh read it, with no code in between.
/// </summary>
/// <remarks>
/// <para>Safe for concurrent use. <see cref="Current"/> flows with the asynchronous code, also into work that a handler starts
/// and does not wait for. When the request has ended it is there no more; work that starts before, and must not fail when the
/// request's time is over, begins with <see cref="Detach"/>.</para>
/// <para>The deadline is for the answer: once the response has begun there is none any more, as the caller has what it waited
/// for, and may read it for hours. Only the deadline that a gRPC client has set itself holds for the whole call.</para>
/// </remarks>
public sealed class MeshRequestContext
{
    internal const long NoDeadline = long.MaxValue;

    private static readonly AsyncLocal<MeshRequestContext?> s_current = new();

    /// <summary>Whose time it is: itself, unless it only has another priority.</summary>
    private readonly MeshRequestContext _request;
    private long _deadline;
    private volatile bool _hasEnded;

    /// <param name="time">The clock.</param>
    /// <param name="deadline">When there must be an answer, a timestamp of the clock.</param>
    /// <param name="priority">The priority.</param>
    /// <param name="callDeadline">When all of it must be over, not before the deadline for the answer.</param>
    internal MeshRequestContext(TimeProvider time, long deadline, RequestPriority priority, long callDeadline = NoDeadline)
    {
        _request = this;
        _deadline = deadline;
        Time = time;
        Priority = priority;
        CallDeadline = callDeadline;
    }

    private MeshRequestContext(MeshRequestContext outer, RequestPriority priority)
    {
        _request = outer._request;
        Time = outer.Time;
        Priority = priority;
        CallDeadline = outer.CallDeadline;
    }

    /// <summary>What holds here; null if nothing does: no request is being served, or one that says nothing.</summary>
    public static MeshRequestContext? Current => s_current.Value is { _hasEnded: false } context ? context : null;

    /// <summary>The time that is left; zero if it is over; null if there is no deadline.</summary>
    public TimeSpan? Remaining
    {
        get
        {
            // Once, since it may be gone a moment later.
            var deadline = Deadline;
            return deadline == NoDeadline ? null
                : Time.GetTimestamp() is var now && now >= deadline ? TimeSpan.Zero
                : Time.GetElapsedTime(now, deadline);
        }
    }

    /// <summary>Whether there was a deadline and it has passed. Nobody waits for an answer any more.</summary>
    public bool HasExpired => Deadline is not NoDeadline and var deadline && Time.GetTimestamp() >= deadline;

    /// <summary>How much the request matters. Default <see cref="RequestPriority.Default"/>.</summary>
    public RequestPriority Priority { get; }

    internal bool HasDeadline => Deadline != NoDeadline;

    /// <summary>A timestamp of <see cref="Time"/>, or <see cref="NoDeadline"/>.</summary>
    internal long Deadline => Volatile.Read(ref _request._deadline);

    /// <summary>What is the deadline once the response has begun.</summary>
    internal long CallDeadline { get; }

    /// <summary>The clock that the deadline is of.</summary>
    internal TimeProvider Time { get; }

    /// <summary>Gives the calls that are made from here on another priority; the deadline stays as it is.</summary>
    /// <param name="priority">The priority.</param>
    /// <returns>Disposing it, in the method that called this one, ends it.</returns>
    /// <example><c>using (MeshRequestContext.WithPriority(RequestPriority.Sheddable)) { await client.GetAsync(…); }</c></example>
    public static IDisposable WithPriority(RequestPriority priority)
    {
        var outer = Current;
        return Push(outer is null ? new MeshRequestContext(TimeProvider.System, NoDeadline, priority) : new MeshRequestContext(outer, priority));
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

    /// <summary>
    /// The request is over: nothing inherits from it any more. Loops that it was the first to start run on in its flow for as long
    /// as the process does.
    /// </summary>
    internal void End()
    {
        Volatile.Write(ref _request._deadline, NoDeadline);
        _hasEnded = true;
    }

    /// <summary>The response has begun: from here on only the deadline of the whole call holds.</summary>
    internal void Answered() => Volatile.Write(ref _request._deadline, CallDeadline);

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
