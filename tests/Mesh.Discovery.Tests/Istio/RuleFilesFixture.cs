using Mesh.Discovery.Istio;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Istio;

/// <summary>A directory of rule files and a source that follows it step by step.</summary>
internal sealed class RuleFilesFixture : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<RuleBatch> _batches = [];
    private DateTime _modified = new(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    private Task _watch = Task.CompletedTask;

    public RuleFilesFixture() => Directory.CreateDirectory(Path.Combine(Root, "mesh"));

    public string Root { get; } = Directory.CreateTempSubdirectory("mesh-rules-").FullName;

    public MeshOptions Options { get; } = new();

    public ManualTimeProvider Time { get; } = new();

    public IReadOnlyList<RuleBatch> Batches => _batches;

    public RuleBatch Last => _batches[^1];

    public IEnumerable<string> Issues => Last.Issues.Select(static issue => issue.ToString());

    public static string Rule(string name, string host = "a") => $"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {"{"} name: {name} {"}"}
        spec: {"{"} host: {host} {"}"}

        """;

    public string Full(string path) => Path.Combine(Root, path);

    public void Write(string path, string text)
    {
        File.WriteAllText(Full(path), text);
        Touch(path);
    }

    public void Write(string path, byte[] bytes)
    {
        File.WriteAllBytes(Full(path), bytes);
        Touch(path);
    }

    /// <summary>Gives the file a time of its own, however coarse the file system's clock is.</summary>
    public void Touch(string path) => File.SetLastWriteTimeUtc(Full(path), _modified = _modified.AddSeconds(1));

    public async Task StartAsync(params string[] patterns)
    {
        foreach (var pattern in patterns)
        {
            Options.Config.Files.Add(pattern);
        }

        _watch = new IstioFileRuleSource(Options, Root, Time).WatchAsync(_batches.Add, _stop.Token);
        Assert.Single(_batches);
        await Time.StartedAsync();
    }

    /// <summary>Lets the source see a change and confirm it.</summary>
    public Task SettleAsync() => Time.StepAsync(2);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watch.WaitAsync(TimeSpan.FromSeconds(60));
        _stop.Dispose();
        Directory.Delete(Root, recursive: true);
    }
}
