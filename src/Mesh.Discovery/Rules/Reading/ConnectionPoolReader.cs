namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads limits of a destination (Istio: ConnectionPoolSettings). Configuration may leave out the levels <c>Tcp</c> and <c>Http</c>.</summary>
internal static class ConnectionPoolReader
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);

    /// <param name="pool">The map.</param>
    /// <param name="isSubset">Whether it is about a subset: an endpoint's connections are the same for all subsets.</param>
    public static ConnectionPoolConfig Read(ObjectReader pool, bool isSubset)
    {
        var result = new ConnectionPoolConfig();
        if (pool.Object("tcp") is { } tcp)
        {
            result = Tcp(tcp, result);
            NoConnections(tcp, isSubset, "maxConnections", "connectTimeout");
            tcp.NotSupported("maxConnectionDuration", "tcpKeepalive", "idleTimeout");
            tcp.Done();
        }

        if (pool.Object("http") is { } http)
        {
            result = Http(http, result, "http2MaxRequests", "http1MaxPendingRequests");
            if (http.Find("maxRequestsPerConnection") is { } perConnection)
            {
                var count = perConnection.Int();
                result = result with { OneRequestPerConnection = count == 1 };
                if (count > 1)
                {
                    http.NotSupported("maxRequestsPerConnection");
                }
            }

            NoConnections(http, isSubset, "idleTimeout", "maxRequestsPerConnection");
            http.NotSupported("h2UpgradePolicy", "useClientProtocol", "maxConcurrentStreams");
            http.Done();
        }

        if (pool.Reading.Dialect == RuleDialect.Configuration)
        {
            if (pool.CountOf("tcp", "http") > 0
                && pool.CountOf("maxConnections", "connectTimeout", "maxRequests", "maxPendingRequests", "maxRetries", "idleTimeout") > 0)
            {
                pool.Error("limits are given twice: here and below Tcp or Http");
            }

            result = Http(pool, Tcp(pool, result), "maxRequests", "maxPendingRequests");
            NoConnections(pool, isSubset, "maxConnections", "connectTimeout", "idleTimeout");
        }

        pool.Done();
        if (isSubset)
        {
            result = result with { MaxConnections = null, ConnectTimeout = null, IdleTimeout = null, OneRequestPerConnection = false };
        }

        if (result is { MaxPendingRequests: not null, MaxConnections: null })
        {
            pool.Reading.Warn(pool.Location, "a limit of pending requests has no effect without one of connections: nothing waits for one");
        }

        return result;
    }

    private static ConnectionPoolConfig Tcp(ObjectReader tcp, ConnectionPoolConfig known) => known with
    {
        MaxConnections = tcp.Int("maxConnections", 1) ?? known.MaxConnections,
        ConnectTimeout = tcp.Duration("connectTimeout", s_shortest) ?? known.ConnectTimeout,
    };

    private static ConnectionPoolConfig Http(ObjectReader http, ConnectionPoolConfig known, string requests, string pending) => known with
    {
        MaxRequests = http.Int(requests) ?? known.MaxRequests,
        MaxPendingRequests = http.Int(pending) ?? known.MaxPendingRequests,
        MaxRetries = http.Int("maxRetries") ?? known.MaxRetries,
        IdleTimeout = http.Duration("idleTimeout", s_shortest) ?? known.IdleTimeout,
    };

    /// <summary>In a subset they are reported: whose connections would they be?</summary>
    private static void NoConnections(ObjectReader pool, bool isSubset, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (isSubset && pool.Find(key) is { } value)
            {
                pool.Reading.NotSupported(
                    value.Location, $"'{pool.Reading.Show(key)}' of a subset", "has no effect: subsets share the connections of an endpoint; set it for the host");
            }
        }
    }
}
