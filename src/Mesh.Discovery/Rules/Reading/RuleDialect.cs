namespace Mesh.Discovery.Rules.Reading;

/// <summary>The two ways to write rules. One reader serves both.</summary>
internal enum RuleDialect
{
    /// <summary>Istio documents: camelCase keys, <c>spec.http[0].match</c>.</summary>
    Istio,

    /// <summary>The section <c>Mesh</c>: keys in any case, shown in PascalCase; <c>Mesh:Routes:reviews:0</c>.</summary>
    Configuration,
}
