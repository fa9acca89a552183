using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Primitives;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>Finds a header; empty if it is not there.</summary>
/// <param name="source">Where the headers are.</param>
/// <param name="name">The header.</param>
internal delegate StringValues HeaderLookup(object source, string name);

/// <summary>All that rules can look at of one request. What is not known is null and matches nothing.</summary>
internal readonly struct RequestFacts
{
    public RequestFacts()
    {
    }

    public string Method { get; init; } = "";

    /// <summary>Methods that headers ask for in place of <see cref="Method"/>, if there are such headers.</summary>
    public StringValues MethodOverrides { get; init; }

    public PathReadings Path { get; init; } = new("", null, null);

    /// <summary>What the caller called this process, with the port if it wrote one.</summary>
    public string Host { get; init; } = "";

    /// <summary>Who calls.</summary>
    public SpiffeId? Peer { get; init; }

    /// <summary>The trust domain of this process.</summary>
    public string? TrustDomain { get; init; }

    public IPAddress? SourceAddress { get; init; }
    public IPAddress? RemoteAddress { get; init; }
    public IPAddress? DestinationAddress { get; init; }
    public int Port { get; init; }
    public string? ServerName { get; init; }

    /// <summary>For whom the call is made.</summary>
    public string? Principal { get; init; }

    /// <summary>What is known of that one, a JSON object.</summary>
    public JsonElement? Claims { get; init; }

    public object? HeaderSource { get; init; }
    public HeaderLookup? HeaderLookup { get; init; }

    public StringValues Header(string name) => HeaderLookup is null ? StringValues.Empty : HeaderLookup(HeaderSource!, name);
}
