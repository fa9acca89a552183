namespace Mesh.Discovery.Rules;

/// <summary>Where a rule or a part of it was written, so that an error can say so.</summary>
/// <param name="Origin">The file, the KV key, or the configuration provider.</param>
/// <param name="Path">The path inside it: <c>spec.http[0].route[1].weight</c> or <c>Mesh:Routes:reviews:0</c>.</param>
/// <param name="Line">The line, from 1; 0 where the origin has no lines.</param>
/// <param name="Document">
/// What the rule is known by, the same in all of its places: kind, namespace and name (<c>VirtualService
/// prod/reviews-route</c>), or its configuration path (<c>Mesh:Routes:reviews</c>); empty outside one.
/// </param>
internal readonly record struct SourceLocation(string Origin, string Path = "", int Line = 0, string Document = "")
{
    /// <summary><c>mesh/reviews.yaml:14: VirtualService prod/reviews-route: spec.http[0].route[1].weight</c>.</summary>
    public override string ToString()
    {
        var place = Line > 0 ? $"{Origin}:{Line}" : Origin;

        // A configuration path starts with its document's.
        var isSaidByPath = Path.StartsWith(Document, StringComparison.Ordinal);
        place = isSaidByPath ? place : $"{place}: {Document}";
        return Path.Length > 0 ? $"{place}: {Path}" : place;
    }
}
