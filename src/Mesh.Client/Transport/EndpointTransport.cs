using Mesh.Client.Security;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;

namespace Mesh.Client.Transport;

/// <summary>Finds or makes an endpoint's invoker, which lives on the endpoint itself and outlives every client.</summary>
internal sealed class EndpointTransport : IDisposable
{
    /// <summary>Between taking an invoker and sending by it a request takes much less, unless its thread gets no processor.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);

    private readonly IEndpointHandlerFactory _factory;
    private readonly TlsDialer _dialer;
    private readonly MeshCertificates _certificates;
    private readonly Agenda _agenda;
    private readonly SecurityOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Those whose connections rest on the certificates of the mesh.</summary>
    private readonly HashSet<EndpointInvoker> _meshed = [];

    public EndpointTransport(
        IEndpointHandlerFactory factory, TlsDialer dialer, MeshCertificates certificates, Agenda agenda, MeshOptions options, TimeProvider time)
    {
        _factory = factory;
        _dialer = dialer;
        _certificates = certificates;
        _agenda = agenda;
        _options = options.Security;
        _time = time;
        certificates.Changed += Renew;
    }

    /// <summary>How many rest on the certificates of the mesh, those included that finish what they carry.</summary>
    public int Meshed
    {
        get
        {
            lock (_meshed)
            {
                return _meshed.Count;
            }
        }
    }

    public EndpointInvoker Get(EndpointState endpoint) => (EndpointInvoker?)endpoint.Transport ?? Create(endpoint);

    /// <summary>One that shares no connection with calls.</summary>
    public EndpointInvoker CreateOwn(EndpointState endpoint)
    {
        if (_factory is not SocketsEndpointHandlerFactory sockets)
        {
            return new EndpointInvoker(this, endpoint, _factory.Create(endpoint.Endpoint), null);
        }

        var mode = TlsPlan.ModeOf(endpoint, _options, _certificates);
        if (mode != TlsMode.Mesh)
        {
            return Make(sockets, endpoint, mode);
        }

        // Under the lock, so that it has the present certificates, or is among those that get new ones.
        lock (_meshed)
        {
            var made = Make(sockets, endpoint, mode);
            _meshed.Add(made);
            return made;
        }
    }

    /// <summary>Disposes of an invoker when nobody can be about to send by it any more.</summary>
    public void DisposeLater(EndpointInvoker invoker) => _agenda.Set(new Disposal(invoker), _time.GetUtcNow() + s_grace);

    /// <summary>It is disposed.</summary>
    public void Forget(EndpointInvoker invoker)
    {
        if (invoker.Plan is { Mode: TlsMode.Mesh })
        {
            lock (_meshed)
            {
                _meshed.Remove(invoker);
            }
        }
    }

    public void Dispose()
    {
        _certificates.Changed -= Renew;
        EndpointInvoker[] left;
        lock (_meshed)
        {
            left = [.. _meshed];
        }

        foreach (var invoker in left)
        {
            invoker.Dispose();
        }
    }

    private EndpointInvoker Create(EndpointState endpoint)
    {
        while (true)
        {
            var generation = endpoint.Generation;
            var made = CreateOwn(endpoint);
            var other = (EndpointInvoker?)Interlocked.CompareExchange(ref endpoint.Transport, made, null);
            if (other is not null)
            {
                made.Dispose();
                return other;
            }

            if (!made.IsStale && endpoint.Generation == generation)
            {
                return made;
            }

            // What it was made from has changed before it was there to be replaced.
            made.Replace();
        }
    }

    private EndpointInvoker Make(SocketsEndpointHandlerFactory sockets, EndpointState endpoint, TlsMode mode)
    {
        var connector = TlsPlan.Of(endpoint, mode, _options, _certificates) is { } plan ? new TlsConnector(_dialer, plan, endpoint.Endpoint.Address) : null;
        return new EndpointInvoker(this, endpoint, sockets.Create(endpoint.Endpoint, endpoint.Connections, connector), connector);
    }

    /// <summary>There are other certificates.</summary>
    private void Renew()
    {
        EndpointInvoker[] old;
        lock (_meshed)
        {
            var trust = _certificates.Current;
            old = [.. _meshed.Where(invoker => invoker.Plan!.Trust != trust)];
        }

        foreach (var invoker in old)
        {
            invoker.Replace();
        }
    }

    private sealed class Disposal(EndpointInvoker invoker) : AgendaItem
    {
        public override void Run(DateTimeOffset now) => invoker.Dispose();
    }
}
