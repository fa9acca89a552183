namespace Mesh.Client;

/// <summary>
/// How much a request matters where a process cannot serve all of them: who comes first, and who is refused first.
/// </summary>
/// <remarks>It travels with the request in the header <c>x-mesh-priority</c>.</remarks>
public enum RequestPriority
{
    /// <summary>May be refused without harm: batch work, prefetching, work that is done again later anyway.</summary>
    Sheddable = -1,

    /// <summary>What nobody said anything about.</summary>
    Default = 0,

    /// <summary>Refused last: what keeps the whole going, such as checkouts and probes of one's own.</summary>
    Critical = 1,
}
