using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security;

/// <summary>What ports accept now: rules go before options, a port before the rest.</summary>
internal sealed class PortModes(MeshOptions options, MeshRuntime runtime, MeshCertificates certificates)
{
    public MtlsMode Of(int port)
    {
        if (!certificates.IsOn)
        {
            return MtlsMode.Disable;
        }

        return runtime.Inbound.Modes.Of(port)
            ?? (options.Security.Ports.TryGetValue(port, out var mode) ? mode : options.Security.Mode ?? MtlsMode.Permissive);
    }
}
