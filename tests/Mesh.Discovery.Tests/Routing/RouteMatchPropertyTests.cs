using CsCheck;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

/// <summary>The compiled tables against a slow reading of the rules that shares no code with them.</summary>
public class RouteMatchPropertyTests
{
    private static readonly Gen<string> s_path = Gen.OneOf("/", "/a", "/A", "/a/b", "/ab", "/b");
    private static readonly Gen<string> s_value = Gen.OneOf("", "x", "X", "xy", "y");
    private static readonly Gen<string> s_header = Gen.OneOf("h1", "H1", "h2", "Content-Type");
    private static readonly Gen<string> s_parameter = Gen.OneOf("p", "q");

    private static readonly Gen<RouteMatchConfig> s_match =
        from uri in Maybe(Text(s_path))
        from method in Maybe(Text(Gen.OneOf("GET", "PUT")))
        from scheme in Maybe(Text(Gen.OneOf("http", "https")))
        from authority in Maybe(Text(Gen.OneOf("r", "r:81", "other")))
        from port in Maybe(Gen.OneOf("80", "81", "443"))
        from ignoreCase in Gen.Bool
        from headers in Named(s_header, Gen.OneOf<StringMatchConfig>(Text(s_value), Gen.Const(Rule.Present)))
        from without in Named(s_header, Gen.OneOf<StringMatchConfig>(Text(s_value), Gen.Const(Rule.Present)))
        from query in Named(s_parameter, Gen.OneOf<StringMatchConfig>(Text(s_value), Gen.Const(Rule.Present)))
        from label in Maybe(Gen.OneOf("v1", "v2"))
        from @namespace in Maybe(Gen.OneOf("prod", "test"))
        select Rule.Match() with
        {
            Uri = uri,
            Method = method,
            Scheme = scheme,
            Authority = authority,
            Port = port is null ? null : int.Parse(port),
            IgnoreUriCase = ignoreCase,
            Headers = headers,
            WithoutHeaders = without,
            QueryParams = query,
            SourceLabels = label is null ? Labels.Empty : new Labels([new("version", label)]),
            SourceNamespace = @namespace,
        };

    private static readonly Gen<Asked> s_request =
        from scheme in Gen.OneOf("http", "https")
        from authority in Gen.OneOf("r", "r:81")
        from path in s_path
        from method in Gen.OneOf("GET", "PUT")
        from host in Maybe(Gen.OneOf("other", "r"))
        from headers in Gen.Select(s_header, s_value).List[0, 3]
        from query in Gen.Select(s_parameter, s_value).List[0, 3]
        select new Asked(scheme, authority, path, method, host, headers, query);

    [Fact]
    public void Decide_AnyRulesAndRequest_AsTheOracle() =>
        Gen.Select(s_match.List[0, 3].List[1, 3], s_request).Sample(
            (routes, asked) =>
            {
                var service = Rule.Service("reviews", ["reviews"],
                    [.. routes.Select((matches, i) => Rule.Route($"r{i}", Rule.To("reviews")) with { Match = matches })]);
                var compiled = Rule.Compiler("prod", new Labels([new("version", "v1"), new("app", "web")]))
                    .Compile([new PlacedRule(service, 0)]);

                var decision = compiled.Tables.Find("reviews.prod.svc.cluster.local")!.Decide(asked.ToRequest(), new FixedRandom(0));

                var expected = routes.FindIndex(matches => matches.Count == 0 || matches.Exists(match => Oracle(match, asked)));
                Assert.Equal(expected < 0 ? null : $"r{expected}", decision.Route?.Name);
                Assert.Equal(expected < 0, decision.Arm is null);
            },
            iter: 20_000);

    [Fact]
    public void Find_AnyQuery_AsTheOracle() =>
        Gen.Select(Gen.OneOf("p", "q q", "&", "ä"), Gen.Select(Gen.OneOf("p", "q q", "&", "ä", "P"), Gen.String).List[0, 4]).Sample(
            (name, pairs) =>
            {
                // Lone surrogates cannot be written as UTF-8.
                pairs = [.. pairs.Select(static pair => (pair.Item1, string.Concat(pair.Item2.Where(static c => !char.IsSurrogate(c)))))];
                var query = "?" + string.Join('&', pairs.Select(static pair => $"{Uri.EscapeDataString(pair.Item1)}={Uri.EscapeDataString(pair.Item2)}"));
                var index = pairs.FindIndex(pair => pair.Item1 == name);

                Assert.Equal(index < 0 ? null : pairs[index].Item2, RequestQuery.Find(query, name));
            },
            iter: 5_000);

    private static bool Oracle(RouteMatchConfig match, Asked asked)
    {
        var port = asked.Authority.Contains(':') ? 81 : asked.Scheme == "https" ? 443 : 80;
        var ignoreCase = match.IgnoreUriCase;
        return Fits(match.Uri, asked.Path, ignoreCase)
            && Fits(match.Method, asked.Method, false)
            && Fits(match.Scheme, asked.Scheme, true)
            && Fits(match.Authority, asked.Host ?? asked.Authority, true)
            && (match.Port is null || match.Port == port)
            && match.Headers.All(header => Header(asked, header.Name) is { } value && Fits(header.Match, value, false))
            && match.WithoutHeaders.All(header => !(Header(asked, header.Name) is { } value && Fits(header.Match, value, false)))
            && match.QueryParams.All(parameter => asked.Query.Exists(pair => pair.Item1 == parameter.Name)
                && Fits(parameter.Match, asked.Query.First(pair => pair.Item1 == parameter.Name).Item2, false))
            && match.SourceLabels.All(static label => label is { Key: "version", Value: "v1" })
            && match.SourceNamespace is null or "prod";
    }

    private static string? Header(Asked asked, string name)
    {
        var values = asked.Headers.Where(pair => pair.Item1.ToLowerInvariant() == name.ToLowerInvariant()).Select(static pair => pair.Item2).ToList();
        return values.Count == 0 ? null : string.Join(", ", values);
    }

    private static bool Fits(StringMatchConfig? match, string text, bool ignoreCase)
    {
        if (match is null || match.Kind == StringMatchKind.Present)
        {
            return true;
        }

        var value = ignoreCase ? match.Value.ToUpperInvariant() : match.Value;
        text = ignoreCase ? text.ToUpperInvariant() : text;
        return match.Kind == StringMatchKind.Prefix
            ? text.Length >= value.Length && text[..value.Length] == value
            : text == value.Replace("(?:)", "", StringComparison.Ordinal);
    }

    /// <summary>An expression matches just its text, so that the oracle needs no engine.</summary>
    private static Gen<StringMatchConfig> Text(Gen<string> value) => Gen.OneOf<StringMatchConfig>(
        value.Select(Rule.Exact), value.Select(Rule.Prefix), value.Select(static text => Rule.Regex(text + "(?:)")));

    private static Gen<T?> Maybe<T>(Gen<T> some)
        where T : class => Gen.Frequency<T?>((2, Gen.Const((T?)null)), (1, some.Select(static value => (T?)value)));

    private static Gen<NamedMatchConfig[]> Named(Gen<string> name, Gen<StringMatchConfig> match) =>
        Gen.Frequency<NamedMatchConfig[]>((2, Gen.Const(Array.Empty<NamedMatchConfig>())),
            (1, Gen.Select(name, match, static (n, m) => new NamedMatchConfig(n, m)).Array[1, 2]));

    private sealed record Asked(
        string Scheme, string Authority, string Path, string Method, string? Host,
        List<(string, string)> Headers, List<(string, string)> Query)
    {
        public HttpRequestMessage ToRequest()
        {
            var query = Query.Count == 0 ? "" : "?" + string.Join('&', Query.Select(static pair => $"{pair.Item1}={pair.Item2}"));
            var request = Rule.Request($"{Scheme}://{Authority}{Path}{query}", Method);
            request.Headers.Host = Host;
            request.Content = new ByteArrayContent([]);
            foreach (var (name, value) in Headers)
            {
                if (!request.Headers.TryAddWithoutValidation(name, value))
                {
                    request.Content.Headers.TryAddWithoutValidation(name, value);
                }
            }

            return request;
        }
    }
}
