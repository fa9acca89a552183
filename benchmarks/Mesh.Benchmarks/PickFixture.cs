using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Benchmarks;

/// <summary>A picker over many endpoints that are partly busy and measured, and the requests to pick for.</summary>
internal sealed class PickFixture
{
    public const int Endpoints = 10_000;
    private const int Requests = 256;

    private readonly HttpRequestMessage[] _requests = new HttpRequestMessage[Requests];
    private int _next;

    private PickFixture(string policy, EndpointPicker picker)
    {
        Policy = policy;
        Picker = picker;
        for (var i = 0; i < Requests; i++)
        {
            _requests[i] = new HttpRequestMessage(HttpMethod.Get, $"http://reviews/reviews/0?user=user-{i}");
            _requests[i].Headers.TryAddWithoutValidation("Accept", "application/json");
            _requests[i].Headers.TryAddWithoutValidation("X-Request-Id", $"{i:x32}");
            _requests[i].Headers.TryAddWithoutValidation("X-User", $"user-{i}");
            _requests[i].Headers.TryAddWithoutValidation("Cookie", $"theme=dark; session=session-{i}; lang=en");
            _ = _requests[i].RequestUri!.PathAndQuery;
        }
    }

    /// <summary>What the fixture shows; <c>/weighted</c> marks unequal weights, <c>/cookie</c> and so on the hash key.</summary>
    public static IReadOnlyList<string> Policies { get; } =
    [
        LoadBalancingPolicies.LeastRequest,
        $"{LoadBalancingPolicies.LeastRequest}/weighted",
        LoadBalancingPolicies.PeakEwma,
        $"{LoadBalancingPolicies.PeakEwma}/weighted",
        LoadBalancingPolicies.RoundRobin,
        $"{LoadBalancingPolicies.RoundRobin}/weighted",
        LoadBalancingPolicies.Random,
        $"{LoadBalancingPolicies.Random}/weighted",
        $"{LoadBalancingPolicies.RingHash}/source",
        $"{LoadBalancingPolicies.RingHash}/header",
        $"{LoadBalancingPolicies.RingHash}/cookie",
        $"{LoadBalancingPolicies.RingHash}/query",
        $"{LoadBalancingPolicies.Maglev}/header",
    ];

    public string Policy { get; }

    public EndpointPicker Picker { get; }

    public static PickFixture Create(string policy)
    {
        var parts = policy.Split('/');
        var variant = parts.Length > 1 ? parts[1] : "";
        var endpoints = new EndpointState[Endpoints];
        for (var i = 0; i < endpoints.Length; i++)
        {
            endpoints[i] = new EndpointState(new ServiceName("reviews", "default"), new Endpoint
            {
                Address = new Uri($"http://10.1.{i / 250}.{i % 250}:8080"),
                Weight = variant == "weighted" ? 1 + (i % 7) : 1,
            });
            for (var entered = 0; entered < i % 3; entered++)
            {
                endpoints[i].Enter();
            }
        }

        var location = new SourceLocation("benchmark");
        var config = parts[0] is LoadBalancingPolicies.RingHash or LoadBalancingPolicies.Maglev
            ? new LoadBalancerConfig
            {
                Location = location,
                ConsistentHash = new ConsistentHashConfig
                {
                    UseSourceIp = variant == "source",
                    HttpHeaderName = variant == "header" ? "X-User" : null,
                    HttpCookie = variant == "cookie" ? new HashCookieConfig("session", null, null) : null,
                    HttpQueryParameterName = variant == "query" ? "user" : null,
                    Maglev = parts[0] == LoadBalancingPolicies.Maglev,
                },
            }
            : new LoadBalancerConfig { Location = location, Simple = parts[0] };
        var factory = new LoadBalancerFactory([], SystemRandomSource.Instance, TimeProvider.System);
        var picker = factory.CreatePicker(endpoints, config, "10.9.9.9");
        for (var i = 0; i < endpoints.Length; i++)
        {
            picker.OnCompleted(endpoints[i], new AttemptOutcome(TimeSpan.FromMilliseconds(1 + (i % 17)), false, TimeProvider.System.GetTimestamp()));
        }

        return new PickFixture(policy, picker);
    }

    /// <summary>One pick for the next request.</summary>
    public EndpointState Pick() =>
        Picker.Pick(new PickContext(_requests[_next++ & (Requests - 1)], default));
}
