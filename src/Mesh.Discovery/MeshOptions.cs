namespace Mesh.Discovery;

/// <summary>
/// What a process says of itself and how it takes part in the mesh: the configuration section <c>Mesh</c> without the
/// rules (<c>Services</c>, <c>Routes</c>, <c>Destinations</c>), which are read and reloaded by their own source.
/// </summary>
/// <remarks>Read once at start. Code given to <c>AddServiceMesh</c> runs after the configuration and wins.</remarks>
public sealed class MeshOptions
{
    /// <summary>The configuration section that everything is bound from: <c>Mesh</c>.</summary>
    public const string SectionName = "Mesh";

    /// <summary>The service that this process is an instance of. Default: the host's application name in lower case.</summary>
    public string Service { get; set; } = "";

    /// <summary>The namespace of the process: short names in calls and rules are resolved in it. Default <c>default</c>.</summary>
    public string Namespace { get; set; } = "default";

    /// <summary>Labels of the instance: subsets and <c>sourceLabels</c> select by them. Default: none.</summary>
    public IDictionary<string, string> Labels { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Where the process runs. Default: unknown.</summary>
    public Locality Locality { get; set; } = Locality.Unknown;

    /// <summary>The instance's share of traffic relative to other instances, 0 to 65535. Default 1.</summary>
    public int Weight { get; set; } = 1;

    /// <summary>
    /// The address under which others reach this instance, scheme, host and port. Default: the first address that the
    /// server listens on, with a host that others can use in place of a wildcard.
    /// </summary>
    public Uri? Advertise { get; set; }

    /// <summary>Where endpoints come from.</summary>
    public DiscoveryOptions Discovery { get; } = new();

    /// <summary>Where rules are read from, beside the section itself.</summary>
    public RuleFileOptions Config { get; } = new();

    /// <summary>Calls that the process makes.</summary>
    public OutboundOptions Outbound { get; } = new();

    /// <summary>Requests that the process serves.</summary>
    public InboundOptions Inbound { get; } = new();

    /// <summary>Who the process is, and whom it lets in.</summary>
    public SecurityOptions Security { get; } = new();

    /// <summary>How the process leaves.</summary>
    public DrainOptions Drain { get; } = new();

    /// <summary>The endpoints under <c>/mesh</c>.</summary>
    public AdminOptions Admin { get; } = new();
}

/// <summary>Where endpoints come from: <c>Mesh:Discovery</c>.</summary>
public sealed class DiscoveryOptions
{
    /// <summary>
    /// Names of catalogs, in order of preference where two know one address: <c>Configuration</c>, <c>File</c>,
    /// <c>Consul</c>, or one registered in code. Default: <c>Configuration</c> if <c>Mesh:Services</c> has entries, otherwise <c>File</c>.
    /// </summary>
    public IList<string> Providers { get; } = [];

    /// <summary>The catalog shared by the processes of one machine.</summary>
    public FileCatalogOptions File { get; } = new();

    /// <summary>The catalog shared by the machines of a Consul cluster.</summary>
    public ConsulOptions Consul { get; } = new();
}

/// <summary>The catalog in a directory: <c>Mesh:Discovery:File</c>.</summary>
public sealed class FileCatalogOptions
{
    /// <summary>
    /// The directory. Default: <c>mesh/catalog</c> below the user's local application data, so that the processes of one
    /// user on one machine find each other and no other user can write there.
    /// </summary>
    public string Path { get; set; } = "";

    /// <summary>How often the directory is looked at. Default 250 ms.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How often an instance renews its document. Default 1 s.</summary>
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long after its last heartbeat an instance is still believed to be there. Default 5 s.</summary>
    public TimeSpan Expiry { get; set; } = TimeSpan.FromSeconds(5);
}

/// <summary>Rule files: <c>Mesh:Config</c>.</summary>
public sealed class RuleFileOptions
{
    /// <summary>Istio documents: paths relative to the content root; <c>*</c> and <c>?</c> in the file name. Default: none.</summary>
    public IList<string> Files { get; } = [];

    /// <summary>Whether a field or document that is not supported is an error and not a warning. Default false.</summary>
    public bool Strict { get; set; }

    /// <summary>Files larger than this many bytes are refused. Default 524288 (512 KiB).</summary>
    public int MaxFileSize { get; set; } = 512 * 1024;

    /// <summary>How often files are looked at for changes. Default 250 ms.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Rules that are read from Consul, if it is one of the providers.</summary>
    public ConsulRuleOptions Consul { get; } = new();
}

/// <summary>Calls that the process makes: <c>Mesh:Outbound</c>. Routes and destinations override it.</summary>
public sealed class OutboundOptions
{
    /// <summary>What becomes of calls to hosts that the mesh does not know. Default: they pass through.</summary>
    public UnknownHosts UnknownHosts { get; set; }

    /// <summary>
    /// For a call to a host that the mesh does not know, until the response's headers: takes the place of
    /// <see cref="HttpClient.Timeout"/>, which is infinite on meshed clients unless the application sets it. Zero: none.
    /// Default 100 s, as a client without a mesh has it.
    /// </summary>
    public TimeSpan UnknownHostTimeout { get; set; } = TimeSpan.FromSeconds(100);

    /// <summary>How long the first call to a service waits for its first endpoints. Default 5 s.</summary>
    public TimeSpan FirstViewTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>For a whole logical request, with its retries, until the response's headers. Zero: none. Default 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>For one attempt, until the response's headers. Zero: none. Default 10 s.</summary>
    public TimeSpan PerTryTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How long a response's body may stand still while it is read, until the read fails with an <see cref="IOException"/> whose
    /// inner exception is a <see cref="TimeoutException"/>: nothing else would end it, since <see cref="HttpClient.Timeout"/> is
    /// infinite on meshed clients. Each byte begins it anew. Not for gRPC calls, unless their route says so, and not for
    /// WebSockets. Zero: none. Default 5 min (Envoy: stream_idle_timeout).
    /// </summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>For opening one connection. Default 5 s (Envoy).</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Further attempts after a failed first one, where that is safe. Default 2 (Istio); 0 turns them off.</summary>
    public int RetryAttempts { get; set; } = 2;

    /// <summary>
    /// Whether requests may ask for faults by Envoy's headers (<c>x-envoy-fault-delay-request</c> and its kin) on every
    /// route. Default false: where an application passes headers of its own callers on, anybody could slow down or break
    /// its calls. Single routes allow it by <c>Fault:HeaderControlled</c>.
    /// </summary>
    public bool HeaderFaults { get; set; }

    /// <summary>
    /// How many requests may be under an injected fault at a time; the fault of further ones is left out, and counted (Envoy:
    /// <c>max_active_faults</c>). Default 0: no limit, as in Envoy.
    /// </summary>
    public int MaxActiveFaults { get; set; }

    /// <summary>
    /// How many mirrored requests may be under way at a time, in the whole process; further ones are left out, and counted.
    /// Each holds at most 64 KiB of body. Default 100; 0 turns mirroring off.
    /// </summary>
    public int MaxActiveMirrors { get; set; } = 100;

    /// <summary>How long a mirrored request may take, its response read. Above zero. Default 10 s.</summary>
    public TimeSpan MirrorTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many retries a destination gets, unless its rule says so. Default: 20 % of requests and 10 a second.</summary>
    public RetryBudgetConfig RetryBudget { get; set; } = new();

    /// <summary>When an endpoint that answers badly is left out, unless its destination's rule says so. Default: null, never.</summary>
    public OutlierDetectionConfig? OutlierDetection { get; set; }

    /// <summary>When calls to a destination fail at once because too many fail, unless its rule says so. Default: null, never.</summary>
    public CircuitBreakerConfig? CircuitBreaker { get; set; }

    /// <summary>
    /// Which localities take the traffic of destinations whose rules say nothing (Istio: meshConfig.localityLbSetting).
    /// Default: near ones first where outliers are detected.
    /// </summary>
    public LocalityLbConfig LocalityLbSetting { get; set; } = new();
}

/// <summary>What becomes of calls to hosts that the mesh does not know (Istio: outboundTrafficPolicy).</summary>
public enum UnknownHosts
{
    /// <summary>They go where the client would have sent them without a mesh (Istio: ALLOW_ANY).</summary>
    Allow,

    /// <summary>They fail (Istio: REGISTRY_ONLY).</summary>
    Refuse,
}

/// <summary>How the process leaves: <c>Mesh:Drain</c>.</summary>
public sealed class DrainOptions
{
    /// <summary>
    /// How long the process goes on serving after it has withdrawn its registration, so that callers see that first.
    /// Default 2 s; zero for none. Requests in flight are then waited for within the host's own shutdown timeout.
    /// </summary>
    public TimeSpan Delay { get; set; } = TimeSpan.FromSeconds(2);
}

/// <summary>The endpoints under <c>/mesh</c>: <c>Mesh:Admin</c>.</summary>
public sealed class AdminOptions
{
    /// <summary>Whether <c>/mesh/config</c> and <c>/mesh/endpoints</c> exist; health and readiness always do. Default true.</summary>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// Who may read <c>/mesh/config</c> and <c>/mesh/endpoints</c> from other machines: callers with mTLS whose identity is one of
    /// these, as principals (<c>cluster.local/ns/ops/sa/console</c>), with <c>*</c> at the beginning or the end for any (Istio). What a
    /// gateway forwards does not count. Direct connections from this machine always may. Default: none. Health and readiness are open
    /// to all.
    /// </summary>
    public IList<string> Identities { get; } = [];
}
