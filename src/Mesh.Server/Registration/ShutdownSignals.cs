using System.Runtime.InteropServices;

namespace Mesh.Server.Registration;

/// <summary>Tells of a further signal to end the process while it is already on its way out.</summary>
internal sealed class ShutdownSignals : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;

    public ShutdownSignals(Action onSignal)
    {
        PosixSignal[] signals = [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGQUIT];
        _registrations = Array.ConvertAll(signals, signal => PosixSignalRegistration.Create(signal, context =>
        {
            // The process ends by itself, once requests in flight are answered.
            context.Cancel = true;
            onSignal();
        }));
    }

    public void Dispose() => Array.ForEach(_registrations, static registration => registration.Dispose());
}
