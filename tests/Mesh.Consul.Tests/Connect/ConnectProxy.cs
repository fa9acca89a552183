using Mesh.IntegrationTests;

namespace Mesh.Consul.Tests.Connect;

/// <summary>Consul's own proxy, a process: <c>consul connect proxy</c>.</summary>
internal static class ConnectProxy
{
    /// <summary>In front of a service that was registered with a sidecar: takes mTLS and speaks plaintext to the service.</summary>
    public static ChildProcess StartSidecar(ConsulAgent agent, string instance) =>
        Start(agent, "-sidecar-for", instance);

    /// <summary>Beside a caller: takes plaintext on a port of this machine and speaks mTLS to the instances of a service.</summary>
    public static ChildProcess StartUpstream(ConsulAgent agent, string caller, string callee, int port) =>
        Start(agent, "-service", caller, "-upstream", $"{callee}:{port}");

    private static ChildProcess Start(ConsulAgent agent, params string[] arguments) =>
        ChildProcess.Start(ConsulBinary.Found!.Path, ["connect", "proxy", $"-http-addr={agent.Address.Authority}", .. arguments]);
}
