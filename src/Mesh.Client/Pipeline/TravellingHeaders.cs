namespace Mesh.Client.Pipeline;

/// <summary>What an attempt tells its callee beside the request itself: how long it may take, and how much it matters.</summary>
internal static class TravellingHeaders
{
    /// <summary>How long a gRPC call may take by its caller's word; zero if that says nothing.</summary>
    public static TimeSpan OwnTimeout(HttpRequestMessage request) =>
        GrpcMessages.IsGrpc(request) && request.Headers.NonValidated.TryGetValues(DeadlineHeaders.GrpcTimeout, out var own)
            ? DeadlineHeaders.ParseGrpc(own.ToString()) ?? TimeSpan.Zero
            : TimeSpan.Zero;

    /// <param name="request">The attempt's message.</param>
    /// <param name="timestamps">Of the clock.</param>
    /// <param name="now">When the attempt is sent.</param>
    /// <param name="end">Until when there must be an answer; the mesh limits nothing beyond that.</param>
    /// <param name="ownEnd">When a gRPC call must be over by its caller's word.</param>
    /// <param name="context">What the request that is being served hands on.</param>
    public static void Set(
        HttpRequestMessage request, Timestamps timestamps, long now, long end, long ownEnd, MeshRequestContext? context)
    {
        if (end != Timestamps.Never)
        {
            Set(request, DeadlineHeaders.ExpectedTimeout, DeadlineHeaders.FormatMilliseconds(timestamps.Between(now, end)));
        }

        if (ownEnd != Timestamps.Never)
        {
            SetGrpc(request, timestamps.Between(now, ownEnd));
        }

        if (context is not null && PriorityHeader.Format(context.Priority) is { } priority)
        {
            Set(request, PriorityHeader.Name, priority);
        }
    }

    /// <summary>For who is not in the mesh: what is between caller and callee is none of its business.</summary>
    public static void Remove(HttpRequestMessage request)
    {
        request.Headers.Remove(DeadlineHeaders.ExpectedTimeout);
        request.Headers.Remove(PriorityHeader.Name);
        request.Headers.Remove(Retry.AttemptHeader);
    }

    /// <summary>The call's own deadline, which ends a stream as well: only what is left of it, and never a limit of the mesh.</summary>
    private static void SetGrpc(HttpRequestMessage request, TimeSpan left)
    {
        if (request.Headers.NonValidated.TryGetValues(DeadlineHeaders.GrpcTimeout, out var own)
            && DeadlineHeaders.ParseGrpc(own.ToString()) <= left)
        {
            return;
        }

        Set(request, DeadlineHeaders.GrpcTimeout, DeadlineHeaders.FormatGrpc(left));
    }

    /// <summary>A message that is sent again mostly has it already.</summary>
    private static void Set(HttpRequestMessage request, string name, string value)
    {
        if (request.Headers.NonValidated.TryGetValues(name, out var known))
        {
            if (known.Count == 1 && known.ToString() == value)
            {
                return;
            }

            request.Headers.Remove(name);
        }

        request.Headers.TryAddWithoutValidation(name, value);
    }
}
