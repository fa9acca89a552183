using System.Text;
using System.Text.RegularExpressions;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>Changes path and authority of a request before it is sent (Istio: HTTPRewrite).</summary>
internal sealed class UriRewrite
{
    private readonly string? _path;
    private readonly Regex? _regex;
    private readonly string _replacement = "";

    private UriRewrite(RewriteConfig config, Regex? regex)
    {
        _path = config.Uri;
        Authority = config.Authority;
        _regex = regex;
        _replacement = regex is null ? "" : ToDotNet(config.RegexRewrite ?? "");
    }

    /// <summary>The Host header to send; null leaves it.</summary>
    public string? Authority { get; }

    public static UriRewrite? Create(RewriteConfig? config, IssueList issues)
    {
        if (config is null)
        {
            return null;
        }

        if (config.Uri is not null && config.RegexMatch is not null)
        {
            issues.Error(config.Location, "uri and uriRegexRewrite exclude each other; give one of them");
        }

        if (config.Uri is { } uri && !uri.StartsWith('/'))
        {
            issues.Error(config.Location, $"uri '{uri}' is not allowed; a path starts with '/'");
        }

        // Unanchored, as in Envoy: every part of the path that matches is replaced.
        Regex? regex = null;
        if (config.RegexMatch is { } pattern)
        {
            regex = LinearRegex.Create(pattern, ignoreCase: false, isFullMatch: false, config.Location, issues);
            if (regex is not null)
            {
                CheckReplacement(config, regex, issues);
            }
        }

        return new UriRewrite(config, regex);
    }

    /// <summary>The address to send: a matched prefix is replaced, any other match replaces the whole path; the query stays.</summary>
    public Uri Apply(Uri original, StringMatcher? matched)
    {
        var path = original.AbsolutePath;
        string rewritten;
        if (_regex is not null)
        {
            rewritten = _regex.Replace(path, _replacement);
        }
        else if (_path is null)
        {
            return original;
        }
        else
        {
            rewritten = matched is { IsPrefix: true } ? _path + path[matched.Value.Length..] : _path;
        }

        if (!rewritten.StartsWith('/'))
        {
            rewritten = "/" + rewritten;
        }

        return new Uri($"{original.Scheme}://{original.Authority}{rewritten}{original.Query}");
    }

    private static void CheckReplacement(RewriteConfig config, Regex regex, IssueList issues)
    {
        var text = config.RegexRewrite ?? "";
        var groups = regex.GetGroupNumbers().Length - 1;
        for (var i = text.IndexOf('\\'); i >= 0; i = i + 2 <= text.Length ? text.IndexOf('\\', i + 2) : -1)
        {
            var next = i + 1 < text.Length ? text[i + 1] : ' ';
            if (char.IsAsciiDigit(next) && next - '0' > groups)
            {
                issues.Error(config.Location, $"the rewrite '{text}' uses \\{next}, but '{config.RegexMatch}' has {groups} groups");
            }
            else if (!char.IsAsciiDigit(next) && next != '\\')
            {
                issues.Error(config.Location, $"the rewrite '{text}' has a lone backslash; allowed are \\0 to \\9 and \\\\");
            }
        }
    }

    /// <summary>RE2's <c>\1</c> becomes <c>${1}</c>; a dollar sign is only a dollar sign there.</summary>
    private static string ToDotNet(string replacement)
    {
        var text = new StringBuilder(replacement.Length);
        for (var i = 0; i < replacement.Length; i++)
        {
            var c = replacement[i];
            if (c == '\\' && i + 1 < replacement.Length && (char.IsAsciiDigit(replacement[i + 1]) || replacement[i + 1] == '\\'))
            {
                var next = replacement[++i];
                text.Append(next == '\\' ? "\\" : $"${{{next}}}");
            }
            else
            {
                text.Append(c == '$' ? "$$" : c.ToString());
            }
        }

        return text.ToString();
    }
}
