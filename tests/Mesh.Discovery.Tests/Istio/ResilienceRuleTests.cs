using Mesh.Discovery.Configuration;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Istio;

/// <summary>Outlier detection, limits and budgets as they are written.</summary>
public class ResilienceRuleTests
{
    [Fact]
    public void Read_IstioOutlierDetection_HasIstiosDefaults()
    {
        var policy = Yaml("outlierDetection: { consecutive5xxErrors: 7, interval: 5m, baseEjectionTime: 15m, maxEjectionPercent: 100 }");

        Assert.Equal(
            new OutlierDetectionConfig
            {
                Consecutive5xxErrors = 7, Interval = TimeSpan.FromMinutes(5), BaseEjectionTime = TimeSpan.FromMinutes(15),
                MaxEjectionPercent = 100, MinHealthPercent = 0,
            },
            policy.OutlierDetection);
    }

    [Fact]
    public void Read_IstioConnectionPool_IsRead()
    {
        var pool = Yaml("""
            connectionPool:
                  tcp: { maxConnections: 100, connectTimeout: 30ms }
                  http: { http2MaxRequests: 1000, http1MaxPendingRequests: 1, maxRequestsPerConnection: 1, maxRetries: 4, idleTimeout: 90s }
            """).ConnectionPool;

        Assert.Equal(
            new ConnectionPoolConfig
            {
                MaxConnections = 100, ConnectTimeout = TimeSpan.FromMilliseconds(30), MaxRequests = 1000, MaxPendingRequests = 1,
                OneRequestPerConnection = true, MaxRetries = 4, IdleTimeout = TimeSpan.FromSeconds(90),
            },
            pool);
    }

    [Fact]
    public void Read_RetryBudget_InIstioHasAFloorOfConcurrency()
    {
        Assert.Equal(
            new RetryBudgetConfig { Percent = 12.5, MinRetriesPerSecond = 0, MinRetryConcurrency = 3 },
            Yaml("retryBudget: { percent: 12.5 }").RetryBudget);
        Assert.Equal(new RetryBudgetConfig { Percent = 10 }, Json(""" "RetryBudget": { "Percent": 10 } """).TrafficPolicy.RetryBudget);
    }

    [Fact]
    public void Read_Configuration_ShortAndLongFormAreTheSame()
    {
        var brief = Json(""" "ConnectionPool": { "MaxRequests": 5, "MaxConnections": 2 }, "OutlierDetection": {} """);
        var full = Json(""" "TrafficPolicy": { "ConnectionPool": { "Tcp": { "MaxConnections": 2 }, "Http": { "Http2MaxRequests": 5 } }, "OutlierDetection": {} } """);

        Assert.Equal(brief.TrafficPolicy, full.TrafficPolicy);
        Assert.Equal(50, brief.TrafficPolicy.OutlierDetection!.MinHealthPercent);
    }

    [Fact]
    public void Read_PartOfSuccessRateOrFailurePercentage_TurnsItOnWithEnvoysValue()
    {
        var settings = Json(""" "OutlierDetection": { "SuccessRateMinimumHosts": 3, "FailurePercentageRequestVolume": 10 } """)
            .TrafficPolicy.OutlierDetection!;

        Assert.Equal((1900, 85), (settings.SuccessRateStdevFactor, settings.FailurePercentageThreshold));
    }

    [Fact]
    public void Read_CircuitBreakerAndPipeline_AreTheSameInBothDialects()
    {
        var yaml = Yaml("circuitBreaker: { failureRatio: 0.2, minimumThroughput: 20, samplingDuration: 10s, breakDuration: 1s, state: Open }\n    resiliencePipeline: slow");
        var brief = Json(""" "CircuitBreaker": { "FailureRatio": 0.2, "MinimumThroughput": 20, "SamplingDuration": "10s", "BreakDuration": "1s", "State": "open" }, "ResiliencePipeline": "slow" """).TrafficPolicy;
        var full = Json(""" "TrafficPolicy": { "CircuitBreaker": {}, "ResiliencePipeline": "slow" }, "Subsets": { "v1": { "CircuitBreaker": { "State": "Closed" } } } """);

        Assert.Equal(
            new CircuitBreakerConfig
            {
                FailureRatio = 0.2, MinimumThroughput = 20, SamplingDuration = TimeSpan.FromSeconds(10), BreakDuration = TimeSpan.FromSeconds(1),
                State = CircuitBreakerState.Open,
            },
            yaml.CircuitBreaker);
        Assert.Equal(yaml.CircuitBreaker, brief.CircuitBreaker);
        Assert.Equal(("slow", "slow"), (yaml.ResiliencePipeline!.Name, brief.ResiliencePipeline!.Name));
        Assert.Equal((new CircuitBreakerConfig(), "slow"), (full.TrafficPolicy.CircuitBreaker, full.TrafficPolicy.ResiliencePipeline!.Name));
        Assert.Equal(new CircuitBreakerConfig { State = CircuitBreakerState.Closed }, Assert.Single(full.Subsets).TrafficPolicy.CircuitBreaker);
    }

    [Fact]
    public void CircuitBreaker_OutOfBoundsInCode_IsRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CircuitBreakerConfig { FailureRatio = 10 });
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CircuitBreakerConfig { MinimumThroughput = 1 });
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CircuitBreakerConfig { SamplingDuration = TimeSpan.FromMilliseconds(1) });
        Assert.Throws<ArgumentOutOfRangeException>(static () => new CircuitBreakerConfig { BreakDuration = TimeSpan.MaxValue });
    }

    [Fact]
    public void CircuitBreaker_Defaults_ArePollysStandardOnes() => Assert.Equal(
        (0.1, 100, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(5), CircuitBreakerState.Auto),
        (new CircuitBreakerConfig() is var b ? b.FailureRatio : 0, b.MinimumThroughput, b.SamplingDuration, b.BreakDuration, b.State));

    [Theory]
    [InlineData(""" "ConnectionPool": { "MaxRequests": 5, "Tcp": { "MaxConnections": 1 } } """, "given twice")]
    [InlineData(""" "RetryBudget": {}, "TrafficPolicy": { "RetryBudget": {} } """, "is given twice: here and below TrafficPolicy")]
    [InlineData(""" "OutlierDetection": { "MaxEjectionPercent": 101 } """, "a whole number from 0 to 100")]
    [InlineData(""" "RetryBudget": { "Percent": "all" } """, "a number from 0 to 100")]
    [InlineData(""" "RetryBudget": { "Window": "2m" } """, "at most 60s")]
    [InlineData(""" "CircuitBreaker": { "FailureRatio": 10 } """, "a number from 0.001 to 1")]
    [InlineData(""" "CircuitBreaker": { "FailureRatio": 0 } """, "a number from 0.001 to 1")]
    [InlineData(""" "CircuitBreaker": { "MinimumThroughput": 1 } """, "a whole number of at least 2")]
    [InlineData(""" "CircuitBreaker": { "SamplingDuration": "100ms" } """, "at least 500ms")]
    [InlineData(""" "CircuitBreaker": { "BreakDuration": "25h" } """, "at most 86400s")]
    [InlineData(""" "CircuitBreaker": { "State": "Opn" } """, "did you mean 'Open'? (allowed: Auto, Open, Closed)")]
    [InlineData(""" "CircuitBreaker": {}, "TrafficPolicy": { "CircuitBreaker": {} } """, "is given twice: here and below TrafficPolicy")]
    [InlineData(""" "ResiliencePipeline": "a", "TrafficPolicy": { "ResiliencePipeline": "b" } """, "is given twice: here and below TrafficPolicy")]
    [InlineData(""" "ResiliencePipelin": "a" """, "did you mean 'ResiliencePipeline'?")]
    [InlineData(""" "OutlierDetection": { "Consecutive5xxError": 1 } """, "did you mean 'Consecutive5xxErrors'?")]
    public void Read_Mistake_SaysPlaceAndReason(string json, string error) => Assert.Contains(
        error, string.Join('\n', Reader.Configuration($$"""{ "Mesh": { "Destinations": { "a": { {{json}} } } } }""").Issues), StringComparison.Ordinal);

    [Theory]
    [InlineData(""" "ConnectionPool": { "MaxPendingRequests": 1 } """, "no effect without one of connections")]
    [InlineData(""" "Subsets": { "v1": { "ConnectionPool": { "MaxConnections": 1 } } } """, "subsets share the connections")]
    [InlineData(""" "OutlierDetection": { "ConsecutiveLocalOriginFailures": 1 } """, "no effect without SplitExternalLocalOriginErrors")]
    public void Read_CombinationWithoutEffect_IsAWarning(string json, string warning)
    {
        var issue = Assert.Single(Reader.Configuration($$"""{ "Mesh": { "Destinations": { "a": { {{json}} } } } }""").Issues);

        Assert.Equal(IssueSeverity.Warning, issue.Severity);
        Assert.Contains(warning, issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Options_AreRead()
    {
        var options = new MeshOptions();

        Assert.Empty(MeshOptionsReader.Read(
            Reader.Json("""{ "Mesh": { "Outbound": { "RetryBudget": { "Percent": 5 }, "OutlierDetection": { "Interval": "1s" }, "CircuitBreaker": { "State": "Open" } } } }"""), options));

        Assert.Equal(new RetryBudgetConfig { Percent = 5 }, options.Outbound.RetryBudget);
        Assert.Equal(new OutlierDetectionConfig { Interval = TimeSpan.FromSeconds(1) }, options.Outbound.OutlierDetection);
        Assert.Null(new MeshOptions().Outbound.OutlierDetection);
        Assert.Equal(new CircuitBreakerConfig { State = CircuitBreakerState.Open }, options.Outbound.CircuitBreaker);
        Assert.Null(new MeshOptions().Outbound.CircuitBreaker);
    }

    [Fact]
    public void Or_EachPart_IsTheFirstOnes()
    {
        var strong = new TrafficPolicyConfig { RetryBudget = new RetryBudgetConfig { Percent = 1 } };
        var weak = new TrafficPolicyConfig { RetryBudget = new RetryBudgetConfig { Percent = 2 }, OutlierDetection = new OutlierDetectionConfig() };

        Assert.Equal((1.0, true), (strong.Or(weak).RetryBudget!.Percent, strong.Or(weak).OutlierDetection is not null));
        Assert.Same(weak, weak.Or(strong));
    }

    private static TrafficPolicyConfig Yaml(string policy) => Assert.IsType<DestinationRuleConfig>(Assert.Single(Reader.Yaml($$"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: { name: d }
        spec:
          host: a
          trafficPolicy:
            {{policy}}
        """, strict: true).Rules)).TrafficPolicy;

    private static DestinationRuleConfig Json(string destination) => Assert.IsType<DestinationRuleConfig>(Assert.Single(
        Reader.Configuration($$"""{ "Mesh": { "Destinations": { "a": { {{destination}} } } } }""", strict: true).Rules));
}
