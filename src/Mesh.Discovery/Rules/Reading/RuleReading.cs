using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>The reading of one document: how it is written, and what was found wrong with it so far.</summary>
internal sealed class RuleReading(RuleDialect dialect, string @namespace, bool strict, string document = "")
{
    /// <summary>A document with more issues than these is hopeless, and listing them would drown the others.</summary>
    public const int MaxIssues = 100;

    private readonly List<RuleIssue> _issues = [];
    private int _leftOut;

    public RuleDialect Dialect { get; } = dialect;

    /// <summary>The namespace of documents that do not name theirs.</summary>
    public string Namespace { get; } = @namespace;

    public bool Strict { get; } = strict;

    /// <summary>Kind and name of the document, once known.</summary>
    public string Document { get; set; } = document;

    public bool HasErrors { get; private set; }

    /// <summary>What was found, in the order of finding.</summary>
    public IReadOnlyList<RuleIssue> Issues => _leftOut == 0
        ? [.. _issues]
        : [.. _issues, new RuleIssue(
            HasErrors ? IssueSeverity.Error : IssueSeverity.Warning,
            _issues[^1].Location with { Path = "", Line = 0 },
            string.Create(CultureInfo.InvariantCulture, $"{_leftOut} more issues are not listed"))];

    public SourceLocation At(RuleNode node, string path) => new(node.Origin, path, node.Line, Document);

    public void Error(SourceLocation location, string message)
    {
        HasErrors = true;
        Add(new RuleIssue(IssueSeverity.Error, location, message));
    }

    public void Warn(SourceLocation location, string message) =>
        Add(new RuleIssue(IssueSeverity.Warning, location, message));

    /// <summary>Reports what the source system knows and this library does not do: an error if strict.</summary>
    public void NotSupported(SourceLocation location, string what, string consequence = "has no effect")
    {
        if (Strict)
        {
            Error(location, $"{what} is not supported, which is an error because Mesh:Config:Strict is true");
        }
        else
        {
            Warn(location, $"{what} is not supported and {consequence}");
        }
    }

    /// <summary>A key of the schema as this dialect writes it.</summary>
    public string Show(string key) =>
        Dialect == RuleDialect.Configuration ? char.ToUpperInvariant(key[0]) + key[1..] : key;

    public string Show(params ReadOnlySpan<string> keys)
    {
        var shown = new List<string>();
        foreach (var key in keys)
        {
            shown.Add(Show(key));
        }

        return string.Join(", ", shown);
    }

    /// <summary>The path of a key below a path.</summary>
    public string Join(string path, string key)
    {
        if (path.Length == 0)
        {
            return key;
        }

        if (Dialect == RuleDialect.Configuration)
        {
            return $"{path}:{key}";
        }

        return key.AsSpan().IndexOfAny(".[] ") < 0 ? $"{path}.{RuleText.Cut(key)}" : $"{path}[{RuleText.Quote(key)}]";
    }

    /// <summary>The path of a list's item.</summary>
    public string Join(string path, int index)
    {
        var number = index.ToString(CultureInfo.InvariantCulture);
        return Dialect == RuleDialect.Configuration ? $"{path}:{number}" : $"{path}[{number}]";
    }

    private void Add(RuleIssue issue)
    {
        if (_issues.Count < MaxIssues)
        {
            _issues.Add(issue);
        }
        else
        {
            _leftOut++;
        }
    }
}
