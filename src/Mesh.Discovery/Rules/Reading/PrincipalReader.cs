using Mesh.Discovery.Security;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads the principal of one workload: <c>cluster.local/ns/prod/sa/reviews</c>, with <c>spiffe://</c> or without.</summary>
internal static class PrincipalReader
{
    private const string Scheme = "spiffe://";

    /// <returns>Without the scheme; null if it is none, which is told.</returns>
    public static string? Read(RuleValue value)
    {
        if (value.Line() is not { } text)
        {
            return null;
        }

        if (SpiffeId.TryParse(text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? text : Scheme + text, out var id))
        {
            return id.Principal;
        }

        value.Refuse("is not a principal", "a trust domain and a path, such as 'cluster.local/ns/prod/sa/reviews'");
        return null;
    }
}
