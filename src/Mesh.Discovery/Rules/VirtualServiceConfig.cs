namespace Mesh.Discovery.Rules;

/// <summary>The routes of one or more hosts (Istio: VirtualService, its <c>http</c> part).</summary>
internal sealed record VirtualServiceConfig : RuleConfig
{
    public override string Kind => "VirtualService";

    /// <summary>Hosts as written; empty for a document that only others delegate to.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Tried in order; the first that matches is used.</summary>
    public IReadOnlyList<RouteConfig> Http { get; init; } = [];
}

/// <summary>One route: match → action (Istio: HTTPRoute).</summary>
internal sealed record RouteConfig
{
    public required SourceLocation Location { get; init; }
    public string? Name { get; init; }

    /// <summary>Any of these must match; empty matches everything.</summary>
    public IReadOnlyList<RouteMatchConfig> Match { get; init; } = [];
    public IReadOnlyList<RouteDestinationConfig> Route { get; init; } = [];
    public RedirectConfig? Redirect { get; init; }
    public DirectResponseConfig? DirectResponse { get; init; }
    public DelegateConfig? Delegate { get; init; }
    public RewriteConfig? Rewrite { get; init; }
    public HeadersConfig? Headers { get; init; }

    /// <summary>For the whole logical request with its retries. Null: the default; zero: none.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How long a response's body may stand still. Ours, not Istio's. Null: the default; zero: none.</summary>
    public TimeSpan? IdleTimeout { get; init; }
    public RetryConfig? Retries { get; init; }
    public HedgingConfig? Hedging { get; init; }

    /// <summary>The application's own, around the whole logical request.</summary>
    public PipelineReference? ResiliencePipeline { get; init; }
    public FaultConfig? Fault { get; init; }
    public IReadOnlyList<MirrorConfig> Mirrors { get; init; } = [];
}

/// <summary>All given parts must match (Istio: HTTPMatchRequest).</summary>
internal sealed record RouteMatchConfig
{
    public required SourceLocation Location { get; init; }
    public string? Name { get; init; }
    public StringMatchConfig? Uri { get; init; }
    public StringMatchConfig? Scheme { get; init; }
    public StringMatchConfig? Method { get; init; }
    public StringMatchConfig? Authority { get; init; }
    public IReadOnlyList<NamedMatchConfig> Headers { get; init; } = [];
    public IReadOnlyList<NamedMatchConfig> WithoutHeaders { get; init; } = [];
    public IReadOnlyList<NamedMatchConfig> QueryParams { get; init; } = [];
    public int? Port { get; init; }
    public Labels SourceLabels { get; init; } = Labels.Empty;
    public string? SourceNamespace { get; init; }
    public bool IgnoreUriCase { get; init; }
}

/// <summary>How a text is compared (Istio: StringMatch).</summary>
internal sealed record StringMatchConfig(StringMatchKind Kind, string Value, SourceLocation Location)
{
    public bool IgnoreCase { get; init; }
}

internal enum StringMatchKind
{
    /// <summary>Only whether it is there.</summary>
    Present,
    Exact,
    Prefix,

    /// <summary>Only Consul has it.</summary>
    Suffix,

    /// <summary>Only Consul has it.</summary>
    Contains,

    /// <summary>A full match of a linear-time regular expression.</summary>
    Regex,
}

/// <summary>A header or query parameter and what it must be.</summary>
internal sealed record NamedMatchConfig(string Name, StringMatchConfig Match);

/// <summary>One arm of a split (Istio: HTTPRouteDestination).</summary>
internal sealed record RouteDestinationConfig
{
    public required SourceLocation Location { get; init; }
    public required string Host { get; init; }
    public string? Subset { get; init; }
    public int? Port { get; init; }

    /// <summary>Null when not written.</summary>
    public int? Weight { get; init; }
    public HeadersConfig? Headers { get; init; }

    /// <summary>In this order used in its place while it has no endpoint (Consul: the failover of a service-resolver).</summary>
    public IReadOnlyList<FailoverConfig> Failover { get; init; } = [];
}

/// <summary>A destination that stands in for another one.</summary>
internal sealed record FailoverConfig(string Host, string? Subset, int? Port, SourceLocation Location);

/// <summary>Answers with a redirect (Istio: HTTPRedirect).</summary>
internal sealed record RedirectConfig
{
    public required SourceLocation Location { get; init; }
    public string? Uri { get; init; }
    public string? Authority { get; init; }
    public string? Scheme { get; init; }
    public int? Port { get; init; }

    /// <summary>Istio's <c>derivePort</c>: <c>FROM_PROTOCOL_DEFAULT</c> or <c>FROM_REQUEST_PORT</c>.</summary>
    public string? DerivePort { get; init; }

    /// <summary>Default 301.</summary>
    public int Code { get; init; } = 301;
}

/// <summary>Answers at once (Istio: HTTPDirectResponse).</summary>
internal sealed record DirectResponseConfig(int Status, byte[] Body);

/// <summary>Uses the routes of another document (Istio: Delegate).</summary>
internal sealed record DelegateConfig(string Name, string? Namespace, SourceLocation Location);

/// <summary>Changes the request before it is sent (Istio: HTTPRewrite).</summary>
internal sealed record RewriteConfig
{
    public required SourceLocation Location { get; init; }
    public string? Uri { get; init; }
    public string? Authority { get; init; }

    /// <summary>The expression of Istio's <c>uriRegexRewrite.match</c>.</summary>
    public string? RegexMatch { get; init; }

    /// <summary>Istio's <c>uriRegexRewrite.rewrite</c>: text with <c>\1</c> … <c>\9</c>.</summary>
    public string? RegexRewrite { get; init; }
}

/// <summary>Header changes on the way out and back (Istio: Headers).</summary>
internal sealed record HeadersConfig(HeaderOperationsConfig Request, HeaderOperationsConfig Response);

/// <summary>In this order: remove, set, add.</summary>
internal sealed record HeaderOperationsConfig
{
    public static readonly HeaderOperationsConfig None = new();

    public IReadOnlyList<KeyValuePair<string, string>> Set { get; init; } = [];
    public IReadOnlyList<KeyValuePair<string, string>> Add { get; init; } = [];
    public IReadOnlyList<string> Remove { get; init; } = [];
}

/// <summary>Retries of a route (Istio: HTTPRetry).</summary>
internal sealed record RetryConfig
{
    public required SourceLocation Location { get; init; }

    /// <summary>Further attempts after the first. Default 2 (Istio).</summary>
    public int Attempts { get; init; } = 2;

    /// <summary>Null: the default; zero: none.</summary>
    public TimeSpan? PerTryTimeout { get; init; }

    /// <summary>Istio's comma-separated words and status codes; null for the defaults.</summary>
    public string? RetryOn { get; init; }
}
