using BenchmarkDotNet.Attributes;

namespace Mesh.Benchmarks;

/// <summary>One request through each handler chain, around a stub; what <see cref="PipelineCommand"/> measures, under BenchmarkDotNet.</summary>
[MemoryDiagnoser]
public class PipelineBenchmark
{
    private readonly CancellationTokenSource _cancel = new();
    private readonly HttpRequestMessage _request = new(HttpMethod.Get, "http://reviews/reviews/0");
    private HttpMessageInvoker _bare = null!;
    private HttpMessageInvoker _dotnet = null!;
    private HttpMessageInvoker _mesh = null!;

    [Params(false, true)]
    public bool Awaits { get; set; }

    [GlobalSetup]
    public void Create()
    {
        _request.Headers.Add("end-user", "somebody");
        _bare = PipelineContenders.Create("bare", () => new StubHandler(Awaits));
        _dotnet = PipelineContenders.Create("dotnet", () => new StubHandler(Awaits));
        _mesh = PipelineContenders.Create("mesh", () => new StubHandler(Awaits));
    }

    [Benchmark(Baseline = true)]
    public Task<HttpResponseMessage> Bare() => _bare.SendAsync(_request, _cancel.Token);

    [Benchmark]
    public Task<HttpResponseMessage> DotNet() => _dotnet.SendAsync(_request, _cancel.Token);

    [Benchmark]
    public Task<HttpResponseMessage> Mesh() => _mesh.SendAsync(_request, _cancel.Token);
}
