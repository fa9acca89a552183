using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Runtime;

/// <summary>A source that says what the test says. Without a first batch it stays silent at first.</summary>
internal sealed class FakeRuleSource(string name, RuleBatch? first = null, int precedence = 0) : IRuleSource
{
    private Action<RuleBatch>? _publish;
    private TaskCompletionSource _end = new();

    public string Name { get; } = name;

    public int Precedence { get; } = precedence;

    public RuleBatch? First { get; set; } = first;

    public int Watches { get; private set; }

    public bool Ended { get; private set; }

    public async Task WatchAsync(Action<RuleBatch> publish, CancellationToken stop)
    {
        _end = new TaskCompletionSource();
        _publish = publish;
        Watches++;
        if (First is not null)
        {
            publish(First);
        }

        using var registration = stop.Register(() => _end.TrySetCanceled(stop));
        try
        {
            await _end.Task;
        }
        finally
        {
            Ended = stop.IsCancellationRequested;
        }
    }

    public void Publish(params RuleConfig[] rules) => _publish!(new RuleBatch(rules, []));

    public void Publish(RuleBatch batch) => _publish!(batch);

    /// <summary>Ends the present watch; continues synchronously.</summary>
    public void Fail(Exception error) => _end.TrySetException(error);
}
