using System.Net;
using System.Security.Cryptography;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Mesh.Server.Security;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Registration;

/// <summary>
/// Announces the process in every catalog that takes registrations once its server listens, and takes it out again,
/// in an order that loses no request, before the server stops.
/// </summary>
/// <remarks>
/// <para>Start: <see cref="StartedAsync"/> runs when all hosted services have started, so the server listens and its
/// ports are known. A catalog that cannot be written does not stop the host; it is tried again. A port that takes mTLS is
/// registered as such, and not before there is a certificate; when rules change what it takes it is registered anew.</para>
/// <para>Stop: the host calls <see cref="StoppingAsync"/> before it stops any service, so Kestrel serves all the while:
/// not ready any more → withdrawn from the catalogs → <c>Mesh:Drain:Delay</c>, in which callers see that and HTTP/1.1
/// connections are told to close → the host stops Kestrel, which waits for requests in flight within the rest of the
/// host's shutdown timeout. A second signal ends the delay.</para>
/// </remarks>
internal sealed partial class RegistrationService : IHostedLifecycleService, IAsyncDisposable
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(30);

    /// <summary>A registry that does not answer must not use up the time in which requests in flight may end.</summary>
    private static readonly TimeSpan s_withdrawLimit = TimeSpan.FromSeconds(5);

    private readonly MeshOptions _options;
    private readonly MeshRuntime _runtime;
    private readonly DrainState _state;
    private readonly PortModes _modes;
    private readonly MeshCertificates _certificates;
    private readonly IServer _server;
    private readonly TimeProvider _time;
    private readonly IRandomSource _random;
    private readonly ILogger<RegistrationService> _logger;
    private readonly CancellationTokenSource _leave = new();
    private readonly List<Task<IAsyncDisposable?>> _registrations = [];
    private TaskCompletionSource _rulesChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _listens;
    private bool _withdrawn;

    public RegistrationService(
        MeshOptions options,
        MeshRuntime runtime,
        DrainState state,
        PortModes modes,
        MeshCertificates certificates,
        IServer server,
        TimeProvider time,
        IRandomSource random,
        ILogger<RegistrationService> logger)
    {
        _options = options;
        _runtime = runtime;
        _state = state;
        _modes = modes;
        _certificates = certificates;
        _server = server;
        _time = time;
        _random = random;
        _logger = logger;
    }

    /// <summary>Ends the delay of a drain; a test's stand-in for a second signal.</summary>
    internal Action? SkipDelay { get; private set; }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        var addresses = _server.Features.Get<IServerAddressesFeature>()?.Addresses ?? [];
        _listens = addresses.Count > 0;
        var registries = _runtime.Catalogs.Where(static catalog => catalog is IServiceRegistry).ToArray();
        if (registries.Length == 0)
        {
            Log.NoRegistry(_logger);
            return Task.CompletedTask;
        }

        var onThisMachineOnly = Array.TrueForAll(registries, static catalog => catalog is FileCatalog);
        var address = AdvertisedAddress.WithoutUser(_options.Advertise)
            ?? AdvertisedAddress.Choose(addresses, onThisMachineOnly, AdvertisedAddress.OfThisMachine);
        if (address is null)
        {
            Log.NoAddress(_logger);
            return Task.CompletedTask;
        }

        if (!onThisMachineOnly && IPAddress.TryParse(address.DnsSafeHost, out var ip) && IPAddress.IsLoopback(ip))
        {
            Log.LoopbackOnly(_logger, address);
        }

        _runtime.SetOwnAddress(address);
        var port = AdvertisedAddress.MeshPort(address, addresses);
        if (_certificates.IsOn && port is not null)
        {
            _runtime.InboundChanged += RulesChanged;
        }

        // Not awaited: a slow registry must not hold up the start of the host. The attempts outlive this call.
        using (ExecutionContext.SuppressFlow())
        {
            foreach (var catalog in registries)
            {
                _registrations.Add(KeepRegisteredAsync((IServiceRegistry)catalog, catalog.Name, address, port, _leave.Token));
            }
        }

        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (_state.IsDraining)
        {
            return;
        }

        _state.Start();
        Log.NotReady(_logger);
        await WithdrawAsync(cancellationToken);
        await ServeOnAsync(cancellationToken);
        Log.ServerStops(_logger);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        // For a host that is disposed without having been stopped.
        await WithdrawAsync(CancellationToken.None);
        _leave.Dispose();
    }

    /// <summary>Registers, and again when a change of rules makes something else of the port; until the process leaves.</summary>
    private async Task<IAsyncDisposable?> KeepRegisteredAsync(
        IServiceRegistry registry, string catalog, Uri address, int? port, CancellationToken leave)
    {
        if (!_certificates.IsOn || port is not { } meshPort)
        {
            return await RegisterAsync(registry, catalog, CreateInstance(address, MtlsMode.Disable), leave);
        }

        IAsyncDisposable? registration = null;
        MtlsMode? registered = null;
        var saidThatItWaits = false;
        while (!leave.IsCancellationRequested)
        {
            var changed = Volatile.Read(ref _rulesChanged).Task;
            var mode = _modes.Of(meshPort);
            if (mode != MtlsMode.Disable && !_certificates.Ready.IsCompleted)
            {
                // Callers that hear of it would come with TLS.
                if (!saidThatItWaits)
                {
                    saidThatItWaits = true;
                    Log.WaitsForCertificate(_logger, catalog);
                }

                await ((Task)Task.WhenAny(_certificates.Ready, changed)).WaitAsync(leave).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                continue;
            }

            if (mode != registered)
            {
                // The new one first: callers take two instances at one address for one.
                var former = registration;
                registration = await RegisterAsync(registry, catalog, CreateInstance(address, mode), leave) ?? former;
                registered = mode;
                if (former is not null && !ReferenceEquals(former, registration))
                {
                    await WithdrawAsync(Task.FromResult<IAsyncDisposable?>(former), leave);
                }
            }

            await changed.WaitAsync(leave).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return registration;
    }

    private void RulesChanged() =>
        Interlocked.Exchange(ref _rulesChanged, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private ServiceInstance CreateInstance(Uri address, MtlsMode mode)
    {
        var random = RandomNumberGenerator.GetHexString(16, lowercase: true);
        return new ServiceInstance(
            $"{_options.Service}-{Environment.ProcessId}-{random}",
            new ServiceName(_options.Service, _options.Namespace),
            new Endpoint
            {
                Address = address,
                Labels = new Labels(_options.Labels),
                Locality = _options.Locality,
                Weight = _options.Weight,
                SpeaksMtls = mode != MtlsMode.Disable,
            })
        {
            RefusesPlaintext = mode == MtlsMode.Strict,
        };
    }

    private async Task<IAsyncDisposable?> RegisterAsync(
        IServiceRegistry registry, string catalog, ServiceInstance instance, CancellationToken leave)
    {
        var pause = s_firstPause;
        while (!leave.IsCancellationRequested)
        {
            try
            {
                var registration = await registry.RegisterAsync(instance, leave);
                var endpoint = instance.Endpoint;
                var labels = endpoint.Labels.ToString();
                Log.Registered(_logger, instance.Service, endpoint.Address, labels, catalog, instance.Id);
                return registration;
            }
            catch (OperationCanceledException) when (leave.IsCancellationRequested)
            {
                break;
            }
            catch (Exception exception)
            {
                Log.RegistrationFailed(_logger, instance.Service, catalog, pause, exception);
            }

            var jittered = pause * (0.5 + _random.NextDouble());
            await Task.Delay(jittered, _time, leave).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }

        return null;
    }

    private async Task WithdrawAsync(CancellationToken cancel)
    {
        if (_withdrawn)
        {
            return;
        }

        _withdrawn = true;
        _runtime.InboundChanged -= RulesChanged;
        await _leave.CancelAsync();
        await Task.WhenAll(_registrations.Select(attempt => WithdrawAsync(attempt, cancel)));
    }

    private async Task WithdrawAsync(Task<IAsyncDisposable?> attempt, CancellationToken cancel)
    {
        try
        {
            if (await attempt.WaitAsync(s_withdrawLimit, _time, cancel) is { } registration)
            {
                await registration.DisposeAsync().AsTask().WaitAsync(s_withdrawLimit, _time, cancel);
                if (_withdrawn)
                {
                    Log.Withdrawn(_logger);
                }
            }
        }
        catch (Exception exception)
        {
            Log.WithdrawFailed(_logger, exception);
        }
    }

    private async Task ServeOnAsync(CancellationToken cancel)
    {
        var delay = _options.Drain.Delay;
        if (!_listens || delay <= TimeSpan.Zero)
        {
            return;
        }

        Log.ServesOn(_logger, delay);
        using var skip = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        SkipDelay = () =>
        {
            Log.DelaySkipped(_logger);
            skip.Cancel();
        };
        using (new ShutdownSignals(SkipDelay))
        {
            await Task.Delay(delay, _time, skip.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        SkipDelay = null;
    }
}
