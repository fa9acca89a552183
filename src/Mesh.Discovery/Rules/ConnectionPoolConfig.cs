namespace Mesh.Discovery.Rules;

/// <summary>Limits of a destination and of its connections (Istio: ConnectionPoolSettings). Null is no limit.</summary>
internal sealed record ConnectionPoolConfig
{
    /// <summary>HTTP/1.1 connections to one endpoint.</summary>
    public int? MaxConnections { get; init; }
    public TimeSpan? ConnectTimeout { get; init; }
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>Whether each connection carries one request (Istio: <c>maxRequestsPerConnection: 1</c>).</summary>
    public bool OneRequestPerConnection { get; init; }

    /// <summary>Requests in flight (Istio: <c>http2MaxRequests</c>).</summary>
    public int? MaxRequests { get; init; }

    /// <summary>HTTP/1.1 requests beyond those that have a connection (Istio: <c>http1MaxPendingRequests</c>).</summary>
    public int? MaxPendingRequests { get; init; }

    /// <summary>Retries under way.</summary>
    public int? MaxRetries { get; init; }

    /// <summary>Whether requests have to be counted.</summary>
    public bool LimitsRequests => MaxRequests is not null || (MaxPendingRequests is not null && MaxConnections is not null);

    /// <summary>What holds for the connections of an endpoint, which all its subsets share.</summary>
    public ConnectionSettings? Connections =>
        MaxConnections is null && ConnectTimeout is null && IdleTimeout is null && !OneRequestPerConnection
            ? null
            : new ConnectionSettings(MaxConnections, ConnectTimeout, IdleTimeout, OneRequestPerConnection);
}

/// <summary>How an endpoint's connections are made and kept.</summary>
internal sealed record ConnectionSettings(int? MaxConnections, TimeSpan? ConnectTimeout, TimeSpan? IdleTimeout, bool OneRequestPerConnection);
