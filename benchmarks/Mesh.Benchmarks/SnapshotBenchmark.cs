using BenchmarkDotNet.Attributes;

namespace Mesh.Benchmarks;

/// <summary>One endpoint changes among 100 000.</summary>
[MemoryDiagnoser]
public class SnapshotBenchmark
{
    private readonly SnapshotFixture _fixture = SnapshotFixture.Create();

    [Benchmark]
    public void ChangeOneEndpoint() => _fixture.ChangeOneEndpoint();
}
