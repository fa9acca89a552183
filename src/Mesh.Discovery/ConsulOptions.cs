namespace Mesh.Discovery;

/// <summary>The Consul agent that this process talks to: <c>Mesh:Discovery:Consul</c>.</summary>
/// <remarks>
/// What is not set is taken from Consul's own environment variables, as its command line takes it: <c>CONSUL_HTTP_ADDR</c>,
/// <c>CONSUL_HTTP_TOKEN</c>, <c>CONSUL_HTTP_TOKEN_FILE</c>, <c>CONSUL_HTTP_SSL</c>, <c>CONSUL_HTTP_SSL_VERIFY</c>,
/// <c>CONSUL_CACERT</c>, <c>CONSUL_CLIENT_CERT</c>, <c>CONSUL_CLIENT_KEY</c>, <c>CONSUL_TLS_SERVER_NAME</c>.
/// </remarks>
public sealed class ConsulOptions
{
    /// <summary>The agent, scheme, host and port. Default <c>http://127.0.0.1:8500</c>.</summary>
    public Uri? Address { get; set; }

    /// <summary>The datacenter whose services are called. Default: the agent's own.</summary>
    public string Datacenter { get; set; } = "";

    /// <summary>The ACL token; never logged or shown. Default: none.</summary>
    public string Token { get; set; } = "";

    /// <summary>A file that holds the ACL token, read again when it changes. Used if there is no <see cref="Token"/>.</summary>
    public string TokenFile { get; set; } = "";

    /// <summary>TLS to the agent.</summary>
    public ConsulTlsOptions Tls { get; } = new();

    /// <summary>Whether servers that are not the leader may answer queries (Consul: stale consistency). Default true.</summary>
    public bool AllowStale { get; set; } = true;

    /// <summary>
    /// Whether instances in the state <c>warning</c> take no traffic. Default false: they take it with their warning weight.
    /// </summary>
    public bool PassingOnly { get; set; }

    /// <summary>
    /// Which of an instance's tagged addresses is dialled, such as <c>wan</c> or <c>lan_ipv6</c>, where it has one of that
    /// name. Default: its plain address.
    /// </summary>
    public string TaggedAddress { get; set; } = "";

    /// <summary>How long the agent holds a query while nothing changes (Consul: <c>wait</c>). Default 60 s; at most 10 min.</summary>
    public TimeSpan WaitTime { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a query may take beyond <see cref="WaitTime"/>. Default 10 s.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// For how long endpoints are kept that Consul loses within that time after it was out of reach itself. Longer than
    /// checks take to pass again after a restart of the agent. Default 60 s; zero believes at once.
    /// </summary>
    public TimeSpan ShrinkHold { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Where the last good view is saved, to start from when Consul is out of reach. Default: <c>mesh/consul</c> below the
    /// user's local application data. <c>none</c> saves nothing.
    /// </summary>
    public string SavedViewPath { get; set; } = "";

    /// <summary>
    /// Services that are followed from the start and not from their first call on, as calls name them: <c>reviews</c>,
    /// <c>reviews.prod</c>. The process is ready when Consul has answered for them. Default: none.
    /// </summary>
    public IList<string> Follow { get; } = [];

    /// <summary>Tags of the registered instance. Default: none.</summary>
    public IList<string> Tags { get; } = [];

    /// <summary>How Consul checks the registered instance.</summary>
    public ConsulCheckOptions Check { get; } = new();

    /// <summary>Whether the process has its certificate from Consul, and is so a member of Consul's own mesh.</summary>
    internal bool UsesConnect { get; set; }
}

/// <summary>TLS to the Consul agent: <c>Mesh:Discovery:Consul:Tls</c>. Used if the address is https.</summary>
public sealed class ConsulTlsOptions
{
    /// <summary>A PEM file with the authorities that the agent's certificate is checked against. Default: the machine's.</summary>
    public string CaFile { get; set; } = "";

    /// <summary>A PEM file with the client certificate, where the agent asks for one. Default: none.</summary>
    public string CertificateFile { get; set; } = "";

    /// <summary>A PEM file with the key of <see cref="CertificateFile"/>. Default: the certificate file.</summary>
    public string KeyFile { get; set; } = "";

    /// <summary>The name that the agent's certificate must have. Default: the host of the address.</summary>
    public string ServerName { get; set; } = "";

    /// <summary>Whether the agent's certificate is checked. Default true; false is for tests only.</summary>
    public bool Verify { get; set; } = true;
}

/// <summary>How Consul checks the registered instance: <c>Mesh:Discovery:Consul:Check</c>.</summary>
public sealed class ConsulCheckOptions
{
    /// <summary>Who checks, and how. Default: the agent calls <see cref="Path"/>.</summary>
    public ConsulCheckType Type { get; set; }

    /// <summary>
    /// How often the agent checks. For <see cref="ConsulCheckType.Ttl"/> the process itself reports three times as often, and
    /// is critical after a silence of three intervals. Default 5 s; at least 1 s (Consul's own least).
    /// </summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one check may take; no longer than <see cref="Interval"/>. Default 2 s, or the interval if that is shorter.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>What an HTTP check calls, at the instance's own address. Default <c>/mesh/health</c>.</summary>
    public string Path { get; set; } = "/mesh/health";

    /// <summary>After this long in the state <c>critical</c> Consul forgets the instance. Default and least 1 min (Consul's own least).</summary>
    public TimeSpan DeregisterCriticalServiceAfter { get; set; } = TimeSpan.FromMinutes(1);
}

/// <summary>Kinds of Consul checks.</summary>
public enum ConsulCheckType
{
    /// <summary>The agent sends HTTP GET requests. The default.</summary>
    Http,

    /// <summary>The agent calls the standard gRPC health service.</summary>
    Grpc,

    /// <summary>The process reports to the agent that it is alive, where the agent cannot reach the process.</summary>
    Ttl,

    /// <summary>No check: the instance counts as healthy until it is withdrawn.</summary>
    None,
}

/// <summary>Rules that are read from Consul: <c>Mesh:Config:Consul</c>. They are, if Consul is one of the providers.</summary>
public sealed class ConsulRuleOptions
{
    /// <summary>Every key below this one holds rules. Default <c>mesh/config/</c>; empty reads none.</summary>
    public string KeyPrefix { get; set; } = "mesh/config/";

    /// <summary>Whether Consul's own service-router, service-splitter and service-resolver entries are applied. Default true.</summary>
    public bool ConfigEntries { get; set; } = true;

    /// <summary>Whether calls that an intention denies are refused by the caller. Default true.</summary>
    public bool Intentions { get; set; } = true;
}
