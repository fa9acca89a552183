namespace Mesh.Server.Inbound;

/// <summary>The place of one request, given back once.</summary>
internal sealed class AdmissionPlace(InboundAdmission admission, long start)
{
    private int _hasLeft;

    public void Leave(bool isSample)
    {
        if (Interlocked.Exchange(ref _hasLeft, 1) == 0)
        {
            if (isSample)
            {
                admission.Record(start);
            }

            admission.Leave();
        }
    }
}
