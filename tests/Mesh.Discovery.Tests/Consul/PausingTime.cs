using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>Time that passes when the test has seen what the code waits for. Limits of requests, which are longer, do not count.</summary>
internal sealed class PausingTime : FakeTimeProvider
{
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(2);

    private readonly Channel<TimeSpan> _pauses = Channel.CreateUnbounded<TimeSpan>();

    /// <summary>Waits until the code pauses, and ends the pause.</summary>
    /// <returns>How long it was to be.</returns>
    public async Task<TimeSpan> PassAsync()
    {
        var cancel = TestContext.Current.CancellationToken;
        var pause = await _pauses.Reader.ReadAsync(cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(60), cancel);
        Advance(pause);
        return pause;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        if (dueTime > TimeSpan.Zero && dueTime <= s_longestPause)
        {
            _pauses.Writer.TryWrite(dueTime);
        }

        return timer;
    }
}
