using Mesh.Client;

namespace Mesh.Server.Inbound;

/// <summary>
/// Who comes first: the priority, and within it first attempts before retries, since a retry adds to the load that made it
/// necessary. The numbers go from what is served first to what is refused first.
/// </summary>
internal static class AdmissionClass
{
    public const int Count = 6;

    /// <summary>In percent of the limit: as much of it a class may fill.</summary>
    private static readonly int[] s_shares = [100, 95, 90, 80, 70, 60];

    public static int Of(RequestPriority priority, bool isRetry) => ((1 - (int)priority) * 2) + (isRetry ? 1 : 0);

    /// <summary>How many requests may be in flight, itself included, for one of the class to be let in; at least one.</summary>
    public static int Limit(int limit, int admissionClass) => Math.Max(1, (int)((long)limit * s_shares[admissionClass] / 100));
}
