using Microsoft.Extensions.Primitives;

namespace Mesh.Discovery.Configuration;

/// <summary>Waits for a configuration to be reloaded.</summary>
internal static class ReloadToken
{

    /// <returns>Whether the configuration changed; false when <paramref name="stop"/> was cancelled.</returns>
    public static async Task<bool> ChangedAsync(this IChangeToken token, CancellationToken stop)
    {
        var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using (token.RegisterChangeCallback(static state => ((TaskCompletionSource)state!).TrySetResult(), changed))
        {
            await changed.Task.WaitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return !stop.IsCancellationRequested;
    }
}
