using System.Diagnostics.Metrics;
using Mesh.Client.Security;
using Mesh.Client.Telemetry;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Client.Tests.Security;

/// <summary>The transport of endpoints without the rest of the mesh.</summary>
internal sealed class TransportParts : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();

    public TransportParts(ICertificateSource? source = null, TimeProvider? time = null)
    {
        time ??= TimeProvider.System;
        var options = new MeshOptions();
        Certificates = new MeshCertificates(source, time, SystemRandomSource.Instance, NullLogger<MeshCertificates>.Instance);
        Certificates.Start();
        Agenda = new Agenda(time);
        Dialer = new TlsDialer(
            new TlsFiles(AppContext.BaseDirectory), Agenda, new MeshClientTelemetry(_services.GetRequiredService<IMeterFactory>()), time,
            SystemRandomSource.Instance, NullLogger<TlsDialer>.Instance);
        Factory = new SocketsEndpointHandlerFactory(options, Dialer, time);
        Transport = new EndpointTransport(Factory, Dialer, Certificates, Agenda, options, time);
    }

    public MeshCertificates Certificates { get; }

    public Agenda Agenda { get; }

    public TlsDialer Dialer { get; }

    public SocketsEndpointHandlerFactory Factory { get; }

    public EndpointTransport Transport { get; }

    public void Dispose()
    {
        Transport.Dispose();
        Agenda.Dispose();
        Certificates.Dispose();
        _services.Dispose();
    }
}
