using System.Diagnostics.Metrics;

namespace Mesh.Server.Inbound;

/// <summary>Metrics of inbound requests.</summary>
internal sealed class MeshServerTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string Name = "Mesh.Server";

    private readonly Counter<long> _refused;

    public MeshServerTelemetry(IMeterFactory meters)
    {
        Meter = meters.Create(Name);
        _refused = Meter.CreateCounter<long>(
            "mesh.server.refused", "{request}", "Requests that the mesh answered in place of the application, by reason.");
    }

    public Meter Meter { get; }

    public void Refused(Refusal refusal) => _refused.Add(1, new KeyValuePair<string, object?>("mesh.reason", refusal.Reason));
}
