using System.Net;

namespace Mesh.Discovery.Consul;

/// <summary>Consul did not answer, refused, or answered what cannot be read. The message never holds the token.</summary>
internal sealed class ConsulException(string message, HttpStatusCode? status = null, Exception? inner = null)
    : IOException(message, inner)
{
    /// <summary>What it answered; null if it did not.</summary>
    public HttpStatusCode? Status { get; } = status;

    /// <summary>Whether the agent took the connection and closed it without a byte, as it does beyond its limit of connections.</summary>
    public bool IsTurnedAway { get; init; }

    public bool IsAccessDenied => Status is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized;
}
