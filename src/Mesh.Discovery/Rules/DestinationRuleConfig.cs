namespace Mesh.Discovery.Rules;

/// <summary>Subsets and policy of a host (Istio: DestinationRule).</summary>
internal sealed record DestinationRuleConfig : RuleConfig
{
    public override string Kind => "DestinationRule";
    public required string Host { get; init; }
    public TrafficPolicyConfig TrafficPolicy { get; init; } = TrafficPolicyConfig.Default;
    public IReadOnlyList<SubsetConfig> Subsets { get; init; } = [];
}

/// <summary>Endpoints selected by labels (Istio: Subset).</summary>
internal sealed record SubsetConfig
{
    public required SourceLocation Location { get; init; }
    public required string Name { get; init; }
    public Labels Labels { get; init; } = Labels.Empty;

    /// <summary>What endpoints must fulfil beside the labels. Null: nothing.</summary>
    public EndpointFilter? Filter { get; init; }

    /// <summary>Whether endpoints that warn are left out (Consul: <c>OnlyPassing</c>).</summary>
    public bool OnlyPassing { get; init; }

    /// <summary>Replaces the rule's own policy, part by part, for this subset.</summary>
    public TrafficPolicyConfig TrafficPolicy { get; init; } = TrafficPolicyConfig.Default;
}

/// <summary>What attaches to a destination (Istio: TrafficPolicy).</summary>
internal sealed record TrafficPolicyConfig
{
    public static readonly TrafficPolicyConfig Default = new();

    public LoadBalancerConfig? LoadBalancer { get; init; }
    public OutlierDetectionConfig? OutlierDetection { get; init; }
    public ConnectionPoolConfig? ConnectionPool { get; init; }
    public RetryBudgetConfig? RetryBudget { get; init; }
    public CircuitBreakerConfig? CircuitBreaker { get; init; }

    /// <summary>The application's own, around each attempt.</summary>
    public PipelineReference? ResiliencePipeline { get; init; }
    public AdaptiveConcurrencyConfig? AdaptiveConcurrency { get; init; }

    /// <summary>Of the host alone: subsets share endpoints.</summary>
    public HealthCheckConfig? HealthCheck { get; init; }

    /// <summary>Of the host alone, for the same reason.</summary>
    public TlsSettingsConfig? Tls { get; init; }

    /// <summary>This policy, with each part that it does not have taken from a weaker one; itself if that adds nothing.</summary>
    public TrafficPolicyConfig Or(TrafficPolicyConfig weaker)
    {
        var both = new TrafficPolicyConfig
        {
            LoadBalancer = LoadBalancer ?? weaker.LoadBalancer,
            OutlierDetection = OutlierDetection ?? weaker.OutlierDetection,
            ConnectionPool = ConnectionPool ?? weaker.ConnectionPool,
            RetryBudget = RetryBudget ?? weaker.RetryBudget,
            CircuitBreaker = CircuitBreaker ?? weaker.CircuitBreaker,
            ResiliencePipeline = ResiliencePipeline ?? weaker.ResiliencePipeline,
            AdaptiveConcurrency = AdaptiveConcurrency ?? weaker.AdaptiveConcurrency,
            HealthCheck = HealthCheck ?? weaker.HealthCheck,
            Tls = Tls ?? weaker.Tls,
        };
        return both == this ? this : both;
    }
}

/// <summary>How an endpoint is chosen (Istio: LoadBalancerSettings). At most one of the first two is given.</summary>
internal sealed record LoadBalancerConfig
{
    public required SourceLocation Location { get; init; }

    /// <summary>The name of a policy: Istio's, ours, or a custom one's. Deprecated spellings are already replaced.</summary>
    public string? Simple { get; init; }
    public ConsistentHashConfig? ConsistentHash { get; init; }
    public LocalityLbConfig? LocalityLbSetting { get; init; }
    public WarmupConfig? Warmup { get; init; }
    public ZoneAwareConfig? ZoneAware { get; init; }
    public ApertureConfig? Aperture { get; init; }
}

/// <summary>Sends like requests to one endpoint (Istio: ConsistentHashLB). Exactly one key is given.</summary>
internal sealed record ConsistentHashConfig
{
    public string? HttpHeaderName { get; init; }
    public string? HttpQueryParameterName { get; init; }
    public HashCookieConfig? HttpCookie { get; init; }
    public bool UseSourceIp { get; init; }

    /// <summary>Ring hash (default) or Maglev.</summary>
    public bool Maglev { get; init; }

    /// <summary>Istio's <c>ringHash.minimumRingSize</c>. Default 1024.</summary>
    public int MinimumRingSize { get; init; } = 1024;

    /// <summary>Istio's <c>maglev.tableSize</c>, a prime. Default 65537.</summary>
    public int TableSize { get; init; } = 65537;
}

/// <summary>A cookie that holds the hash key; made if it is missing and a time to live is given.</summary>
internal sealed record HashCookieConfig(string Name, string? Path, TimeSpan? Ttl);
