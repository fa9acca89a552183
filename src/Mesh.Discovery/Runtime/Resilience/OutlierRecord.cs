namespace Mesh.Discovery.Runtime.Resilience;

/// <summary>What one destination's detector knows of one endpoint. It hangs on the endpoint, in a list of such records.</summary>
internal sealed class OutlierRecord(OutlierDetector owner, EndpointState endpoint, OutlierRecord? next)
{
    /// <summary>Written by attempts, without a lock.</summary>
    public int Errors;
    public int GatewayErrors;
    public int Silences;
    public int Requests;
    public int Failures;

    public OutlierDetector Owner { get; } = owner;

    public EndpointState Endpoint { get; } = endpoint;

    /// <summary>The next record of the same endpoint: that of another destination.</summary>
    public OutlierRecord? Next { get; set; } = next;

    /// <summary>Whether the destination would use the endpoint now. This and what follows: under the service's lock.</summary>
    public bool IsCandidate { get; set; }

    public bool IsEjected { get; set; }

    /// <summary>The timestamp at which the ejection ends.</summary>
    public long EjectedUntil { get; set; }

    /// <summary>The timestamp at which the last ejection ended.</summary>
    public long ReturnedAt { get; set; }

    /// <summary>How many ejections there were that are not forgiven.</summary>
    public int Ejections { get; set; }

    public void Reset()
    {
        Volatile.Write(ref Errors, 0);
        Volatile.Write(ref GatewayErrors, 0);
        Volatile.Write(ref Silences, 0);
    }
}
