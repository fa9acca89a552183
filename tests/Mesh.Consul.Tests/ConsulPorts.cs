using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Mesh.Consul.Tests;

/// <summary>The loopback ports of one agent, which it keeps over its restarts.</summary>
internal sealed record ConsulPorts(int Http, int Https, int Server, int SerfLan, int SerfWan)
{
    // Below what operating systems give to outgoing connections: while the agent is down, nobody gets its port.
    private const int Lowest = 15_000;
    private const int Highest = 32_000;

    /// <summary>Five that are free now, for TCP and for UDP.</summary>
    public static ConsulPorts Choose()
    {
        var ports = new HashSet<int>();
        while (ports.Count < 5)
        {
            var port = RandomNumberGenerator.GetInt32(Lowest, Highest);
            if (!ports.Contains(port) && IsFree(port))
            {
                ports.Add(port);
            }
        }

        var all = ports.ToArray();
        return new ConsulPorts(all[0], all[1], all[2], all[3], all[4]);
    }

    private static bool IsFree(int port)
    {
        using var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            tcp.Bind(new IPEndPoint(IPAddress.Loopback, port));
            udp.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
