using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Hosting;

namespace Mesh.Client;

/// <summary>Starts the mesh before any other hosted service, so that they can call through it from their own start.</summary>
internal sealed class MeshHostedService(MeshRuntime runtime, MeshCertificates certificates, MeshOptions options, TimeProvider time)
    : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        certificates.Start();
        await runtime.StartAsync(cancellationToken).ConfigureAwait(false);
        if (certificates.IsOn && !certificates.Ready.IsCompleted)
        {
            // A source that is slow to answer does not keep the process from starting: until it does, handshakes fail.
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var limit = Task.Delay(options.Outbound.FirstViewTimeout, time, waiting.Token);
            await Task.WhenAny(certificates.Ready, limit).ConfigureAwait(false);
            await waiting.CancelAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
