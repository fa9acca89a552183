using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>Endpoints and pickers for tests.</summary>
internal static class Balancers
{
    public static readonly HttpRequestMessage Request = new(HttpMethod.Get, "http://reviews/");

    /// <summary>Policies named by <c>simple</c>.</summary>
    public static readonly string[] Simple =
    [
        LoadBalancingPolicies.LeastRequest,
        LoadBalancingPolicies.PeakEwma,
        LoadBalancingPolicies.RoundRobin,
        LoadBalancingPolicies.Random,
    ];

    public static readonly string[] All = [.. Simple, LoadBalancingPolicies.RingHash, LoadBalancingPolicies.Maglev];

    public static TheoryData<string> AllPolicies => [.. All];

    public static EndpointState[] Endpoints(params int[] weights) =>
        [.. weights.Select((weight, i) => Endpoint($"10.0.{i / 250}.{i % 250}:8080", weight))];

    public static EndpointState Endpoint(string authority, int weight = 1) => new(
        new ServiceName("reviews", "default"), new Endpoint { Address = new Uri($"http://{authority}"), Weight = weight });

    /// <summary>Tells the picker how an attempt went that ends now.</summary>
    public static void Completed(
        this EndpointPicker picker, EndpointState endpoint, TimeSpan latency, bool failed, TimeProvider time) =>
        picker.OnCompleted(endpoint, new AttemptOutcome(latency, failed, time.GetTimestamp()));

    public static LoadBalancerFactory Factory(int seed = 1, TimeProvider? time = null) =>
        new([], new SeededRandom(seed), time ?? TimeProvider.System);

    /// <summary>A picker; consistent hashing is by the header <c>key</c>.</summary>
    public static EndpointPicker Picker(
        string policy, EndpointState[] endpoints, int seed = 1, TimeProvider? time = null) =>
        policy is LoadBalancingPolicies.RingHash or LoadBalancingPolicies.Maglev
            ? Picker(endpoints, new ConsistentHashConfig { HttpHeaderName = "key", Maglev = policy == "MAGLEV" }, seed)
            : Factory(seed, time).CreatePicker(endpoints, Rule(policy), "10.9.9.9");

    public static EndpointPicker Picker(EndpointState[] endpoints, ConsistentHashConfig hash, int seed = 1) =>
        Factory(seed).CreatePicker(
            endpoints, new LoadBalancerConfig { Location = new SourceLocation("test"), ConsistentHash = hash }, "10.9.9.9");

    public static LoadBalancerConfig Rule(string simple) => new() { Location = new SourceLocation("test"), Simple = simple };

    public static HttpRequestMessage Keyed(object key)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");
        request.Headers.Add("key", $"k{key}");
        return request;
    }

    public static EndpointState Pick(this EndpointPicker picker, params EndpointState[] tried) =>
        picker.Pick(new PickContext(Request, tried));

    public static EndpointState Pick(this EndpointPicker picker, HttpRequestMessage request, params EndpointState[] tried) =>
        picker.Pick(new PickContext(request, tried));

    /// <summary>The greatest distance between an endpoint's share and that of its weight, in parts of one.</summary>
    public static double WorstError(IEnumerable<EndpointState> picked, EndpointState[] endpoints)
    {
        var counts = picked.CountBy(endpoint => endpoint).ToDictionary();
        var picks = counts.Values.Sum();
        var weights = endpoints.Select(endpoint => Math.Max(0, endpoint.Endpoint.Weight)).ToArray();
        var total = weights.Sum(weight => (double)weight);
        return endpoints.Select((endpoint, i) => Math.Abs(
            (counts.GetValueOrDefault(endpoint) / (double)picks) -
            (total == 0 ? 1.0 / endpoints.Length : weights[i] / total))).Max();
    }
}
