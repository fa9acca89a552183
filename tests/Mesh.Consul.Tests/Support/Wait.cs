namespace Mesh.Consul.Tests.Support;

/// <summary>Waits for what other processes do.</summary>
internal static class Wait
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(20);

    public static Task UntilAsync(Func<bool> condition, Func<string>? describe = null) =>
        UntilAsync(() => Task.FromResult(condition()), describe);

    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string>? describe = null)
    {
        using var limit = new CancellationTokenSource(s_limit);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, TestContext.Current.CancellationToken);
        while (!await condition())
        {
            try
            {
                await Task.Delay(s_poll, TimeProvider.System, either.Token);
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                Assert.Fail($"Did not happen within {s_limit}: {describe?.Invoke()}");
            }
        }
    }
}
