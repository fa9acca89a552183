using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>One compiled entry of <c>match</c>: all of its parts must match.</summary>
/// <remarks>
/// What depends on the caller alone (<c>sourceLabels</c>, <c>sourceNamespace</c>) is decided when the rules are compiled:
/// an entry that is for other callers does not exist in the table.
/// </remarks>
internal sealed class RouteMatch
{
    private StringMatcher? _uri;
    private StringMatcher? _scheme;
    private StringMatcher? _method;
    private StringMatcher? _authority;
    private NamedMatcher[] _headers = [];
    private NamedMatcher[] _withoutHeaders = [];
    private NamedMatcher[] _query = [];
    private int? _port;

    /// <summary>A further entry that must match too: that of the route which delegates to this one.</summary>
    private RouteMatch? _and;

    private RouteMatch()
    {
    }

    /// <summary>The path's matcher, which a rewrite needs to know; null if the path is not looked at.</summary>
    public StringMatcher? Uri => _uri ?? _and?.Uri;

    public static RouteMatch Create(RouteMatchConfig config, IssueList issues) => new()
    {
        _uri = StringMatcher.Create(config.Uri, config.IgnoreUriCase, issues),
        _scheme = StringMatcher.Create(config.Scheme, ignoreCase: true, issues),
        _method = StringMatcher.Create(config.Method, ignoreCase: false, issues),
        _authority = StringMatcher.Create(config.Authority, ignoreCase: true, issues),
        _headers = Named(config.Headers, issues),
        _withoutHeaders = Named(config.WithoutHeaders, issues),
        _query = Named(config.QueryParams, issues),
        _port = config.Port,
    };

    /// <summary>This entry, which holds only where <paramref name="outer"/> holds too.</summary>
    public RouteMatch And(RouteMatch outer)
    {
        var copy = (RouteMatch)MemberwiseClone();
        copy._and = outer;
        return copy;
    }

    public bool Matches(HttpRequestMessage request)
    {
        var uri = request.RequestUri!;
        return (_method is null || _method.Matches(request.Method.Method))
            && (_uri is null || _uri.Matches(uri.AbsolutePath))
            && (_port is null || _port == uri.Port)
            && (_scheme is null || _scheme.Matches(uri.Scheme))
            && (_authority is null || _authority.Matches(request.Headers.Host ?? uri.Authority))
            && HeadersMatch(request)
            && QueryMatches(uri)
            && (_and is null || _and.Matches(request));
    }

    private bool HeadersMatch(HttpRequestMessage request)
    {
        foreach (var header in _headers)
        {
            if (!header.Matches(RequestHeaders.Find(request, header.Name)))
            {
                return false;
            }
        }

        foreach (var header in _withoutHeaders)
        {
            if (header.Matches(RequestHeaders.Find(request, header.Name)))
            {
                return false;
            }
        }

        return true;
    }

    private bool QueryMatches(Uri uri)
    {
        foreach (var parameter in _query)
        {
            if (!parameter.Matches(RequestQuery.Find(uri.Query, parameter.Name)))
            {
                return false;
            }
        }

        return true;
    }

    private static NamedMatcher[] Named(IReadOnlyList<NamedMatchConfig> configs, IssueList issues)
    {
        var matchers = new List<NamedMatcher>(configs.Count);
        foreach (var config in configs)
        {
            if (StringMatcher.Create(config.Match, ignoreCase: false, issues) is { } matcher)
            {
                matchers.Add(new NamedMatcher(config.Name, matcher));
            }
        }

        return [.. matchers];
    }

    private readonly record struct NamedMatcher(string Name, StringMatcher Matcher)
    {
        public bool Matches(string? value) => value is not null && Matcher.Matches(value);
    }
}
