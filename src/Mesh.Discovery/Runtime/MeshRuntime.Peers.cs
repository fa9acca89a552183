using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Runtime;

/// <summary>Keeps what depends on the instances of the process's own service in step with them.</summary>
internal sealed partial class MeshRuntime
{
    private readonly ServiceName? _ownService;
    private EndpointState[]? _peers;
    private string? _ownAddress;
    private Task _followPeers = Task.CompletedTask;
    private bool _saidNoPeers;

    /// <summary>Under this address the process is registered, now that its server listens.</summary>
    public void SetOwnAddress(Uri address)
    {
        lock (_lock)
        {
            _ownAddress = address.Authority;
            _peers = null;
            UpdatePeers();
        }
    }

    /// <summary>Something depends on the instances of the own service. Called with locks held, so all it needs comes later.</summary>
    private void PeersWanted(BalancingContext context)
    {
        using (ExecutionContext.SuppressFlow())
        {
            _followPeers = Task.Run(FollowPeersAsync);
        }
    }

    private async Task FollowPeersAsync()
    {
        if (_stop.IsCancellationRequested)
        {
            return;
        }

        try
        {
            if (_ownService is { } service)
            {
                await FollowAsync(service, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            return;
        }

        lock (_lock)
        {
            SayIfAlone();
        }
    }

    private void UpdatePeers()
    {
        var peers = _ownService is { } name && _services.TryGetValue(name.Host, out var own) ? own.Endpoints : [];
        if (ReferenceEquals(peers, _peers))
        {
            return;
        }

        _peers = peers;
        if (_balancing.SetPeers(peers.Select(static state => state.Endpoint), _ownAddress)
            && _balancing.WantsPeers)
        {
            foreach (var service in _services.Values)
            {
                service.RenewForPeers();
            }
        }
    }

    private void SayIfAlone()
    {
        if (_balancing.WantsPeers && !_saidNoPeers && _synced.Task.IsCompleted && _peers is not { Length: > 0 })
        {
            _saidNoPeers = true;
            Log.NoPeers(_logger, _ownService?.ToString() ?? "a service without a name");
        }
    }
}
