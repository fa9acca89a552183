using Mesh.Client.Pipeline;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>Something that goes wrong with the first attempt, and what becomes of it. docs/resilience.md has the same table.</summary>
/// <param name="What">As the table calls it.</param>
/// <param name="Class">How the mesh calls it; null if there is a response, whose body is then what fails, or nothing.</param>
/// <param name="Script">What the server does with each connection.</param>
internal sealed record Case(string What, AttemptFailure? Class, Func<RawConnection, Task> Script)
{
    /// <summary>The protocol that the request asks for.</summary>
    public int HttpMajor { get; init; } = 1;

    public string Scheme { get; init; } = "http";

    /// <summary>Whether the test must let an attempt's time pass.</summary>
    public bool IsSlow { get; init; }

    /// <summary>What it may be as well: it is a race how far the request has come.</summary>
    public AttemptFailure[] Or { get; init; } = [];

    /// <summary>Where there is no server at all.</summary>
    public Func<DeadAddress>? Dead { get; init; }

    /// <summary>With a response: whether its body can be read.</summary>
    public bool HasBody { get; init; }

    public override string ToString() => What;
}
