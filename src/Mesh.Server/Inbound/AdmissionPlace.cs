namespace Mesh.Server.Inbound;

/// <summary>The place of one request, given back once.</summary>
internal sealed class AdmissionPlace(InboundAdmission admission, long start)
{
    private int _hasLeft;

    /// <summary>Gives it back, and tells nothing of how long it took.</summary>
    public void Leave()
    {
        if (Interlocked.Exchange(ref _hasLeft, 1) == 0)
        {
            admission.Leave();
        }
    }

    public void Leave(bool hasFailed)
    {
        if (Interlocked.Exchange(ref _hasLeft, 1) == 0)
        {
            admission.Leave(start, hasFailed);
        }
    }
}
