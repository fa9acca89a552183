using System.Text.RegularExpressions;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>
/// A path of a rule. Each reading of a request's path is compared with the rule's path read in the same way, so that a rule which
/// itself has <c>%20</c> or <c>;</c> in it can be fulfilled.
/// </summary>
internal sealed class PathMatcher
{
    private readonly StringMatchKind _kind;
    private readonly bool _isLenient;
    private readonly StringComparison _comparison;

    /// <summary>Of a text: what is compared with each reading.</summary>
    private readonly string[] _texts = [];

    /// <summary>Of a template: the segments for each reading.</summary>
    private readonly string[][]? _templates;
    private readonly Regex? _regex;

    private PathMatcher(StringMatchKind kind, string text, bool isTemplate, Regex? regex, bool isLenient, bool ignoreCase)
    {
        _kind = kind;
        _regex = regex;
        _isLenient = isLenient;
        _comparison = isLenient || ignoreCase ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        if (regex is null)
        {
            _texts = [text, PathReadings.DecodeOnce(text), PathReadings.LenientOf(text)];
            _templates = isTemplate ? Array.ConvertAll(_texts, static one => one.Split('/')) : null;
        }
    }

    /// <param name="value">As in a policy.</param>
    /// <param name="isLenient">Whether case and a slash at the end make no difference, as they make none to ASP.NET's routing.</param>
    public static PathMatcher Create(string value, bool isLenient)
    {
        if (PathTemplate.IsTemplate(value))
        {
            return new PathMatcher(StringMatchKind.Exact, value, isTemplate: true, null, isLenient, ignoreCase: false);
        }

        var (kind, text) = TextMatch.Parse(value);
        return new PathMatcher(kind, text, isTemplate: false, null, isLenient, ignoreCase: false);
    }

    /// <param name="config">As in an intention.</param>
    /// <param name="isLenient">As above.</param>
    /// <param name="issues">Takes a bad expression; then the result is null.</param>
    public static PathMatcher? Create(StringMatchConfig config, bool isLenient, IssueList issues)
    {
        Regex? regex = null;
        if (config.Kind == StringMatchKind.Regex)
        {
            regex = LinearRegex.Create(config.Value, isLenient || config.IgnoreCase, isFullMatch: true, config.Location, issues);
            if (regex is null)
            {
                return null;
            }
        }

        return new PathMatcher(config.Kind, config.Value, isTemplate: false, regex, isLenient, config.IgnoreCase);
    }

    /// <param name="path">One reading.</param>
    /// <param name="reading">Which.</param>
    public bool Matches(string path, int reading)
    {
        if (path.Length == 0)
        {
            // CONNECT and the like have none.
            return _kind == StringMatchKind.Present;
        }

        if (_regex is not null)
        {
            return _regex.IsMatch(path) || (_isLenient && _regex.IsMatch(path.EndsWith('/') ? path.TrimEnd('/') : path + "/"));
        }

        if (_templates is not null)
        {
            return MatchesTemplate(_isLenient ? path.TrimEnd('/') : path, _templates[reading]);
        }

        var text = _texts[reading];
        return _kind switch
        {
            StringMatchKind.Present => true,
            StringMatchKind.Exact => _isLenient
                ? path.AsSpan().TrimEnd('/').Equals(text.AsSpan().TrimEnd('/'), _comparison)
                : path.Equals(text, _comparison),
            StringMatchKind.Prefix => path.StartsWith(text, _comparison)
                || (_isLenient && text.EndsWith('/') && path.AsSpan().TrimEnd('/').Equals(text.AsSpan().TrimEnd('/'), _comparison)),
            StringMatchKind.Suffix => path.EndsWith(text, _comparison)
                || (_isLenient && path.AsSpan().TrimEnd('/').EndsWith(text.AsSpan().TrimEnd('/'), _comparison)),
            _ => path.Contains(text, _comparison),
        };
    }

    private bool MatchesTemplate(string path, string[] template)
    {
        var segments = path.Split('/');
        var end = template.Length;
        if (_isLenient && end > 1 && template[^1].Length == 0)
        {
            end--;
        }

        var any = Array.IndexOf(template, PathTemplate.Any, 0, end);
        if (any < 0)
        {
            return segments.Length == end && AreEqual(segments, 0, template, 0, end);
        }

        // {**} is any text between its slashes, as in Envoy; a lenient reader does not need the second one.
        var behind = end - any - 1;
        return segments.Length >= any + behind + (_isLenient ? 0 : 1)
            && AreEqual(segments, 0, template, 0, any)
            && AreEqual(segments, segments.Length - behind, template, any + 1, behind);
    }

    private bool AreEqual(string[] segments, int at, string[] template, int from, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var (segment, wanted) = (segments[at + i], template[from + i]);
            if (wanted == PathTemplate.One ? segment.Length == 0 : !segment.Equals(wanted, _comparison))
            {
                return false;
            }
        }

        return true;
    }
}
