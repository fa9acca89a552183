using System.Text.RegularExpressions;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>A compiled comparison of one text.</summary>
internal sealed class StringMatcher
{
    private readonly StringMatchKind _kind;
    private readonly StringComparison _comparison;
    private readonly Regex? _regex;

    private StringMatcher(StringMatchKind kind, string value, bool ignoreCase, Regex? regex)
    {
        _kind = kind;
        Value = value;
        _comparison = ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        _regex = regex;
    }

    /// <summary>The text, prefix or expression as written.</summary>
    public string Value { get; }

    /// <summary>Whether <see cref="Value"/> is a prefix.</summary>
    public bool IsPrefix => _kind == StringMatchKind.Prefix;

    /// <summary>Compiles; a bad expression becomes an issue and null.</summary>
    public static StringMatcher? Create(StringMatchConfig? config, bool ignoreCase, IssueList issues)
    {
        if (config is null)
        {
            return null;
        }

        ignoreCase |= config.IgnoreCase;
        var regex = config.Kind == StringMatchKind.Regex ? LinearRegex.Create(config.Value, ignoreCase, isFullMatch: true, config.Location, issues) : null;
        return config.Kind == StringMatchKind.Regex && regex is null
            ? null
            : new StringMatcher(config.Kind, config.Value, ignoreCase, regex);
    }

    public bool Matches(string? text) => text is not null && Matches(text.AsSpan());

    public bool Matches(ReadOnlySpan<char> text) => _kind switch
    {
        StringMatchKind.Exact => text.Equals(Value, _comparison),
        StringMatchKind.Prefix => text.StartsWith(Value, _comparison),
        StringMatchKind.Suffix => text.EndsWith(Value, _comparison),
        StringMatchKind.Contains => text.Contains(Value, _comparison),
        StringMatchKind.Regex => _regex!.IsMatch(text),
        _ => true,
    };

    public override string ToString() => _kind == StringMatchKind.Present ? "present" : $"{_kind.ToString().ToLowerInvariant()} {Value}";
}
