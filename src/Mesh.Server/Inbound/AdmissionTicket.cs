namespace Mesh.Server.Inbound;

/// <summary>One request that waits for a place.</summary>
internal sealed class AdmissionTicket(int admissionClass, long since)
{
    public static readonly AdmissionTicket Admitted = CreateAdmitted();

    private readonly TaskCompletionSource<bool> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Class { get; } = admissionClass;

    /// <summary>When it began to wait.</summary>
    public long Since { get; } = since;

    /// <summary>From then on there is no use in a place.</summary>
    public long Deadline { get; set; }

    /// <summary>Its place in the list, guarded by the list's lock; null once it has left it.</summary>
    public LinkedListNode<AdmissionTicket>? Node { get; set; }

    /// <summary>Whether it got a place.</summary>
    public Task<bool> Task => _end.Task;

    /// <summary>Ends the wait; false if it had ended already.</summary>
    public bool TryEnd(bool isAdmitted) => _end.TrySetResult(isAdmitted);

    private static AdmissionTicket CreateAdmitted()
    {
        var ticket = new AdmissionTicket(0, 0);
        ticket.TryEnd(isAdmitted: true);
        return ticket;
    }
}
