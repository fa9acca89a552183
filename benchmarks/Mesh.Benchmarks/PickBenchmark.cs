using BenchmarkDotNet.Attributes;
using Mesh.Discovery.Runtime;

namespace Mesh.Benchmarks;

/// <summary>One pick among 10 000 endpoints. Budget: 50 ns, no allocation.</summary>
[MemoryDiagnoser]
public class PickBenchmark
{
    private PickFixture? _fixture;

    /// <summary>The policy, and a variant.</summary>
    [ParamsSource(nameof(Policies))]
    public string Policy { get; set; } = "";

    public static IEnumerable<string> Policies => PickFixture.Policies;

    [GlobalSetup]
    public void Setup() => _fixture = PickFixture.Create(Policy);

    [Benchmark]
    public EndpointState Pick() => _fixture!.Pick();
}
