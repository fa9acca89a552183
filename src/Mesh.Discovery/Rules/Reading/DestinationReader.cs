namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads the policy and the subsets of a destination (Istio: TrafficPolicy, Subset).</summary>
internal static class DestinationReader
{
    private const int MaxRingSize = 8 * 1024 * 1024;

    /// <summary>Envoy's bound.</summary>
    private const int MaxTableSize = 5_000_011;

    private static readonly OutlierDetectionConfig s_outlierDetection = new();
    private static readonly RetryBudgetConfig s_retryBudget = new();
    private static readonly CircuitBreakerConfig s_circuitBreaker = new();
    private static readonly AdaptiveConcurrencyConfig s_adaptiveConcurrency = new();

    /// <summary>A document that comes from Istio means what it meant there: no panic threshold, and a floor of retries by concurrency.</summary>
    private static readonly OutlierDetectionConfig s_istioOutlierDetection = new() { MinHealthPercent = 0 };
    private static readonly RetryBudgetConfig s_istioRetryBudget = new() { MinRetriesPerSecond = 0, MinRetryConcurrency = 3 };

    private static readonly string[] s_simple =
        ["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH", "PEAK_EWMA", "LEAST_CONN", "UNSPECIFIED"];

    /// <summary>
    /// The policy of a rule or subset. Configuration may leave out the level <c>TrafficPolicy</c>.
    /// </summary>
    public static TrafficPolicyConfig Policy(ObjectReader owner, bool isSubset = false)
    {
        var policy = TrafficPolicyConfig.Default;
        var nested = owner.Object("trafficPolicy");
        if (nested is not null)
        {
            policy = Parts(nested, isSubset);
            nested.Done();
        }

        if (owner.Reading.Dialect == RuleDialect.Configuration)
        {
            foreach (var (key, isThere) in new[]
            {
                ("loadBalancer", policy.LoadBalancer is not null), ("outlierDetection", policy.OutlierDetection is not null),
                ("connectionPool", policy.ConnectionPool is not null), ("retryBudget", policy.RetryBudget is not null),
                ("circuitBreaker", policy.CircuitBreaker is not null), ("resiliencePipeline", policy.ResiliencePipeline is not null),
                ("adaptiveConcurrency", policy.AdaptiveConcurrency is not null),
                ("healthCheck", policy.HealthCheck is not null), ("tls", policy.Tls is not null),
            })
            {
                if (isThere && owner.Member(key) is { } twice)
                {
                    twice.Error("is given twice: here and below TrafficPolicy");
                }
            }

            policy = Parts(owner, isSubset).Or(policy);
        }

        return policy;
    }

    private static TrafficPolicyConfig Parts(ObjectReader policy, bool isSubset)
    {
        var isIstio = policy.Reading.Dialect != RuleDialect.Configuration;
        var result = new TrafficPolicyConfig
        {
            LoadBalancer = LoadBalancer(policy.Find("loadBalancer")),
            OutlierDetection = policy.ObjectOrEmpty("outlierDetection") is { } outlier
                ? OutlierDetectionReader.Read(outlier, isIstio ? s_istioOutlierDetection : s_outlierDetection)
                : null,
            ConnectionPool = policy.ObjectOrEmpty("connectionPool") is { } pool ? ConnectionPoolReader.Read(pool, isSubset) : null,
            RetryBudget = policy.ObjectOrEmpty("retryBudget") is { } budget
                ? RetryBudgetReader.Read(budget, isIstio ? s_istioRetryBudget : s_retryBudget)
                : null,
            CircuitBreaker = policy.ObjectOrEmpty("circuitBreaker") is { } breaker ? CircuitBreakerReader.Read(breaker, s_circuitBreaker) : null,
            ResiliencePipeline = CircuitBreakerReader.Pipeline(policy),
            AdaptiveConcurrency = policy.ObjectOrEmpty("adaptiveConcurrency") is { } concurrency
                ? AdaptiveConcurrencyReader.Read(concurrency, s_adaptiveConcurrency)
                : null,
            HealthCheck = !isSubset && policy.ObjectOrEmpty("healthCheck") is { } check ? HealthCheckReader.Read(check) : null,
            Tls = !isSubset && policy.ObjectOrEmpty("tls") is { } tls ? TlsReader.Read(tls) : null,
        };
        policy.NotSupported("portLevelSettings", "tunnel", "proxyProtocol");
        if (isSubset)
        {
            // Subsets share endpoints: an endpoint is well or not, and its connections are secured in one way.
            policy.NotSupported("healthCheck", "tls");
        }

        return result == TrafficPolicyConfig.Default ? TrafficPolicyConfig.Default : result;
    }

    /// <summary>Subsets as Istio's list, or as configuration's map from name to the rest.</summary>
    public static IReadOnlyList<SubsetConfig> Subsets(ObjectReader owner)
    {
        var result = new List<SubsetConfig>();
        var names = new Dictionary<string, SourceLocation>(StringComparer.Ordinal);
        if (owner.Reading.Dialect == RuleDialect.Configuration)
        {
            foreach (var (name, value) in owner.Entries("subsets"))
            {
                if (value.Object() is { } subset)
                {
                    Add(subset, name);
                }
            }

            return result;
        }

        foreach (var subset in owner.Objects("subsets"))
        {
            Add(subset, subset.RequireText("name"));
        }

        return result;

        void Add(ObjectReader subset, string? name)
        {
            var read = new SubsetConfig
            {
                Location = subset.Location,
                Name = name ?? "",
                Labels = subset.Labels("labels"),
                TrafficPolicy = Policy(subset, isSubset: true),
            };
            subset.Done();
            if (name is not null && !names.TryAdd(name, subset.Location))
            {
                subset.Error($"the subset {RuleText.Quote(name)} is already defined at {names[name].Path}");
                return;
            }

            result.Add(read);
        }
    }

    private static LoadBalancerConfig? LoadBalancer(RuleValue? value)
    {
        if (value?.Object() is not { } balancer)
        {
            return null;
        }

        var simple = balancer.Find("simple") is { } name ? Simple(name) : null;
        var hash = balancer.Object("consistentHash");
        var result = new LoadBalancerConfig
        {
            Location = balancer.Location,
            Simple = simple,
            ConsistentHash = hash is null ? null : ConsistentHash(hash),
            LocalityLbSetting = balancer.ObjectOrEmpty("localityLbSetting") is { } locality ? LocalityLbReader.Read(locality) : null,
            Warmup = WarmupReader.Read(balancer),
            ZoneAware = FleetReader.ZoneAware(balancer.ObjectOrEmpty("zoneAware")),
            Aperture = FleetReader.Aperture(balancer.ObjectOrEmpty("aperture")),
        };
        balancer.NotSupported("zoneAwareLbSetting");
        balancer.Done();
        balancer.AtMostOne("simple", "consistentHash");

        // All callers must agree on whom a key belongs to, which they cannot if each sees other endpoints.
        balancer.AtMostOne("consistentHash", "zoneAware");
        balancer.AtMostOne("consistentHash", "aperture");
        if (result is { ZoneAware.Enabled: true, LocalityLbSetting: { Enabled: not false } })
        {
            balancer.AtMostOne("localityLbSetting", "zoneAware");
        }

        if (result is { Warmup: not null, ConsistentHash: not null })
        {
            balancer.Reading.Warn(
                result.Location, $"{balancer.Reading.Show("warmup")} has no effect with {balancer.Reading.Show("consistentHash")}");
        }

        return result == new LoadBalancerConfig { Location = result.Location } ? null : result;
    }

    /// <summary>Any name may be that of a policy registered in code; only the compiler knows them.</summary>
    private static string? Simple(RuleValue value)
    {
        if (value.Line() is not { } written)
        {
            return null;
        }

        if (!HostText.IsToken(written))
        {
            value.Refuse(
                "is not the name of a policy", string.Join(", ", s_simple) + ", or a policy registered in code");
            return null;
        }

        var name = value.Reading.Dialect == RuleDialect.Configuration
            ? Array.Find(s_simple, known => known.Equals(written, StringComparison.OrdinalIgnoreCase)) ?? written
            : written;

        // Istio: UNSPECIFIED leaves the choice to the mesh, LEAST_CONN is the deprecated spelling.
        return name is "LEAST_CONN" or "UNSPECIFIED" ? "LEAST_REQUEST" : name;
    }

    private static ConsistentHashConfig? ConsistentHash(ObjectReader hash)
    {
        var ring = hash.Object("ringHash");
        var maglev = hash.Object("maglev");
        var ringSize = ring?.Int("minimumRingSize", 1, MaxRingSize);
        ring?.Done();
        var tableSize = maglev?.Find("tableSize") is { } size ? TableSize(size) : null;
        maglev?.Done();

        var header = hash.Find("httpHeaderName");
        var useSourceIp = hash.Bool("useSourceIp");
        var defaults = new ConsistentHashConfig();
        var result = defaults with
        {
            HttpHeaderName = HeaderName(header),
            HttpCookie = Cookie(hash.Object("httpCookie")),
            UseSourceIp = useSourceIp ?? false,
            HttpQueryParameterName = hash.Text("httpQueryParameterName"),
            Maglev = maglev is not null,
            MinimumRingSize = ringSize ?? hash.Int("minimumRingSize", 1, MaxRingSize) ?? defaults.MinimumRingSize,
            TableSize = tableSize ?? defaults.TableSize,
        };
        hash.Find("minimumRingSize");
        hash.Done();
        hash.AtMostOne("ringHash", "maglev");
        string[] keys = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"];
        var given = hash.CountOf(keys) - (useSourceIp == false ? 1 : 0);
        if (given != 1)
        {
            hash.Error($"exactly one of {hash.Reading.Show(keys)} is wanted, and there are {given}");
        }

        return result;
    }

    private static string? HeaderName(RuleValue? header)
    {
        var name = header?.Text();
        return name is not null && HeadersReader.IsName(header!.Value, name) ? name : null;
    }

    private static HashCookieConfig? Cookie(ObjectReader? cookie)
    {
        if (cookie is null)
        {
            return null;
        }

        var name = cookie.RequireText("name");
        if (name is not null && !HostText.IsToken(name))
        {
            cookie.Find("name")!.Value.Refuse("is not a cookie name", "letters, digits and !#$%&'*+-.^_`|~");
        }

        var path = cookie.Text("path");
        if (path is not null && (path.Contains(';') || !HostText.IsHeaderValue(path)))
        {
            cookie.Find("path")!.Value.Refuse("is not a cookie path", "visible ASCII characters without ';'");
        }

        var ttl = cookie.Duration("ttl");
        cookie.NotSupported("attributes");
        cookie.Done();
        return name is null ? null : new HashCookieConfig(name, path, ttl);
    }

    private static int? TableSize(RuleValue value)
    {
        if (value.Int(2, MaxTableSize) is not { } size)
        {
            return null;
        }

        for (var i = 2; i * i <= size; i++)
        {
            if (size % i == 0)
            {
                value.Refuse("is not a prime number", $"a prime number from 2 to {MaxTableSize}, such as 65537");
                return null;
            }
        }

        return size;
    }
}
