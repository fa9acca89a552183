using System.Globalization;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>The port that was called.</summary>
internal sealed class PortCondition(IReadOnlyList<string> values, bool isNot, bool isDenying) : Condition(isNot, isDenying)
{
    private readonly int[] _ports = [.. values.Select(static value => int.Parse(value, CultureInfo.InvariantCulture))];

    protected override bool Matches(in RequestFacts request) => _ports.AsSpan().Contains(request.Port);
}
