namespace Mesh.Discovery.Rules.Reading;

/// <summary>The documents of one file as trees, or why there are none.</summary>
/// <param name="Documents">In the order of the file; without empty ones. None if there is a failure.</param>
/// <param name="Failure">Broken syntax or a limit: nothing of the file can be trusted.</param>
internal sealed record YamlFile(IReadOnlyList<YamlDocument> Documents, RuleIssue? Failure)
{
    /// <summary>Deeper nesting is refused, counted through aliases.</summary>
    public const int MaxDepth = 64;

    /// <summary>More nodes in one file are refused, each counted as often as aliases repeat it.</summary>
    public const int MaxNodes = 100_000;

    /// <summary>Reads YAML, and so JSON too.</summary>
    /// <param name="text">The text.</param>
    /// <param name="origin">How issues name the file.</param>
    public static YamlFile Parse(string text, string origin) => new YamlTreeBuilder(text, origin).Build();
}

/// <summary>One document of a file.</summary>
/// <param name="Root">Its tree.</param>
/// <param name="Line">Where it starts.</param>
/// <param name="Text">Its lines as written, by which an unchanged document is known.</param>
/// <param name="Issues">Duplicate keys and the like.</param>
internal sealed record YamlDocument(RuleNode Root, int Line, string Text, IReadOnlyList<RuleIssue> Issues);
