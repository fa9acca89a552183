namespace Mesh.Discovery.Rules;

/// <summary>How the caller itself asks endpoints whether they are well (Envoy: active health checking).</summary>
internal sealed record HealthCheckConfig
{
    public HealthCheckType Type { get; init; }

    /// <summary>Of an HTTP check, beginning with a slash. Default <c>/mesh/health</c>, which every meshed web application answers.</summary>
    public string Path { get; init; } = "/mesh/health";

    /// <summary>What a gRPC check asks for; empty (default): the whole server.</summary>
    public string GrpcService { get; init; } = "";

    /// <summary>From the end of one check to the beginning of the next. Default 10 s.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For one check. Default 2 s.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>So many failures in a row take the endpoint out. Default 3.</summary>
    public int UnhealthyThreshold { get; init; } = 3;

    /// <summary>So many successes in a row take it back. Default 2.</summary>
    public int HealthyThreshold { get; init; } = 2;

    /// <summary>Below this share of healthy endpoints the checks are ignored: the destination panics. Default 50; 0 turns that off.</summary>
    public int MinHealthPercent { get; init; } = 50;
}

internal enum HealthCheckType
{
    /// <summary>GET; any status from 200 to 299 is a success.</summary>
    Http,

    /// <summary>The gRPC health checking protocol.</summary>
    Grpc,

    /// <summary>A connection can be opened.</summary>
    Tcp,
}
