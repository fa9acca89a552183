namespace Mesh.Discovery.Consul;

/// <summary>What a watch tells.</summary>
/// <param name="Value">What Consul says.</param>
/// <param name="AfterTrouble">Whether the agent was out of reach a short time ago: what is missing may come back.</param>
/// <param name="DataLost">Whether Consul's index went backwards, as after a loss of its data.</param>
/// <param name="IsFiltered">Whether Consul says that rights are missing.</param>
/// <param name="IsRestored">Whether it is what an earlier process saved, and the agent did not say it now.</param>
internal readonly record struct ConsulView<T>(T Value, bool AfterTrouble, bool DataLost, bool IsFiltered, bool IsRestored);

/// <summary>What became of it.</summary>
/// <param name="IsBelieved">Whether it is in use.</param>
/// <param name="IsSaved">Whether it says anything that a process needs that starts while Consul is out of reach.</param>
/// <param name="LookAgain">If it is not believed: the time after which to ask again, if nothing changes before.</param>
internal readonly record struct WatchVerdict(bool IsBelieved, bool IsSaved, TimeSpan? LookAgain = null)
{
    /// <summary>What was there before stays until Consul says something else.</summary>
    public static readonly WatchVerdict Kept = new(false, false);

    public static WatchVerdict Believed(bool isSaved) => new(true, isSaved);
}
