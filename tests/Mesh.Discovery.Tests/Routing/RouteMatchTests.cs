using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class RouteMatchTests
{
    [Theory]
    [InlineData("exact", "/reviews", false, "http://h/reviews", true)]
    [InlineData("exact", "/reviews", false, "http://h/reviews?x=1", true)]
    [InlineData("exact", "/reviews", false, "http://h/Reviews", false)]
    [InlineData("exact", "/reviews", true, "http://h/REVIEWS", true)]
    [InlineData("exact", "/reviews", false, "http://h/reviews/", false)]
    [InlineData("exact", "/", false, "http://h", true)]
    [InlineData("exact", "/a b", false, "http://h/a b", false)]
    [InlineData("exact", "/a%20b", false, "http://h/a b", true)]
    [InlineData("prefix", "/api", false, "http://h/api/v1", true)]
    [InlineData("prefix", "/api", false, "http://h/apis", true)]
    [InlineData("prefix", "/api/", false, "http://h/api", false)]
    [InlineData("prefix", "/API", true, "http://h/api/v1", true)]
    [InlineData("prefix", "/API", false, "http://h/api/v1", false)]
    [InlineData("prefix", "/api", false, "http://h/?/api", false)]
    [InlineData("regex", "/a+", false, "http://h/aaa", true)]
    [InlineData("regex", "/a+", false, "http://h/aaab", false)]
    [InlineData("regex", "/a|/b", false, "http://h/b", true)]
    [InlineData("regex", "/a|/b", false, "http://h/bb", false)]
    [InlineData("regex", "/A+", true, "http://h/aaa", true)]
    [InlineData("regex", ".*", false, "http://h/any?thing", true)]
    [InlineData("regex", ".*x=1", false, "http://h/any?x=1", false)]
    public void Matches_Uri_PathWithoutQuery(string kind, string value, bool ignoreCase, string uri, bool expected) =>
        Check(Rule.Match() with { Uri = Text(kind, value), IgnoreUriCase = ignoreCase }, Rule.Request(uri), expected);

    [Theory]
    [InlineData("exact", "GET", "GET", true)]
    [InlineData("exact", "GET", "POST", false)]
    [InlineData("regex", "GET|HEAD", "HEAD", true)]
    [InlineData("prefix", "P", "PUT", true)]
    public void Matches_Method_AsWritten(string kind, string value, string method, bool expected) =>
        Check(Rule.Match() with { Method = Text(kind, value) }, Rule.Request(method: method), expected);

    [Theory]
    [InlineData("https", "https://h/", true)]
    [InlineData("HTTPS", "https://h/", true)]
    [InlineData("https", "http://h/", false)]
    public void Matches_Scheme_WithoutCase(string value, string uri, bool expected) =>
        Check(Rule.Match() with { Scheme = Rule.Exact(value) }, Rule.Request(uri), expected);

    [Theory]
    [InlineData("exact", "reviews", null, "http://reviews/", true)]
    [InlineData("exact", "reviews", null, "http://reviews:80/", true)]
    [InlineData("exact", "reviews", null, "http://reviews:9080/", false)]
    [InlineData("exact", "REVIEWS:9080", null, "http://reviews:9080/", true)]
    [InlineData("prefix", "reviews", null, "http://reviews:9080/", true)]
    [InlineData("exact", "shop.example.com", "shop.example.com", "http://reviews/", true)]
    [InlineData("exact", "reviews", "shop.example.com", "http://reviews/", false)]
    [InlineData("regex", @"shop\..*", "shop.example.com:81", "http://reviews/", true)]
    public void Matches_Authority_AsOnTheWire(string kind, string value, string? host, string uri, bool expected)
    {
        var request = Rule.Request(uri);
        request.Headers.Host = host;

        Check(Rule.Match() with { Authority = Text(kind, value) }, request, expected);
    }

    [Theory]
    [InlineData(80, "http://h/", true)]
    [InlineData(443, "https://h/", true)]
    [InlineData(9080, "http://h:9080/", true)]
    [InlineData(80, "http://h:9080/", false)]
    public void Matches_Port_TheDialledOne(int port, string uri, bool expected) =>
        Check(Rule.Match() with { Port = port }, Rule.Request(uri), expected);

    [Theory]
    [InlineData("End-User", "exact", "jason", true)]
    [InlineData("end-user", "exact", "Jason", false)]
    [InlineData("end-user", "prefix", "ja", true)]
    [InlineData("end-user", "regex", "ja", false)]
    [InlineData("end-user", "present", "", true)]
    [InlineData("other", "present", "", false)]
    [InlineData("other", "regex", ".*", false)]
    [InlineData("many", "exact", "a, b", true)]
    [InlineData("many", "exact", "a", false)]
    [InlineData("many", "regex", ".*b.*", true)]
    [InlineData("empty", "present", "", true)]
    [InlineData("empty", "exact", "", true)]
    [InlineData("content-type", "prefix", "application/json", true)]
    [InlineData("content-language", "present", "", false)]
    [InlineData("host", "exact", "reviews", true)]
    [InlineData("user-agent", "exact", "mesh/1 (test)", true)]
    public void Matches_HeadersAndWithoutHeaders_AreEachOthersOpposite(string name, string kind, string value, bool expected)
    {
        var request = Rule.Request().With("end-user", "jason").With("many", "a", "b").With("empty", "").With("User-Agent", "mesh/1 (test)");
        request.Content = new StringContent("{}", null, "application/json");
        var header = Rule.Named(name, Text(kind, value));

        Check(Rule.Match() with { Headers = header }, request, expected);
        Check(Rule.Match() with { WithoutHeaders = header }, request, !expected);
    }

    [Fact]
    public void Matches_HostHeader_WinsOverTheAddress()
    {
        var request = Rule.Request("http://reviews/");
        request.Headers.Host = "shop";

        Check(Rule.Match() with { Headers = Rule.Named("Host", Rule.Exact("shop")) }, request, true);
    }

    [Theory]
    [InlineData("?a=1", "a", "exact", "1", true)]
    [InlineData("?b=2&a=1", "a", "exact", "1", true)]
    [InlineData("?A=1", "a", "present", "", false)]
    [InlineData("?a=1&a=2", "a", "exact", "2", false)]
    [InlineData("?a", "a", "exact", "", true)]
    [InlineData("?a", "a", "present", "", true)]
    [InlineData("?a=", "a", "present", "", true)]
    [InlineData("?aa=1", "a", "present", "", false)]
    [InlineData("?a=b=c", "a", "exact", "b=c", true)]
    [InlineData("?a=x%20y", "a", "exact", "x y", true)]
    [InlineData("?a=x+y", "a", "exact", "x y", true)]
    [InlineData("?a=x%2By", "a", "exact", "x+y", true)]
    [InlineData("?a=%26", "a", "exact", "&", true)]
    [InlineData("?%61=1", "a", "exact", "1", true)]
    [InlineData("?a%20b=1", "a b", "present", "", true)]
    [InlineData("?a=%C3%A4", "a", "exact", "ä", true)]
    [InlineData("?a=%zz", "a", "exact", "%zz", true)]
    [InlineData("?&&a=1", "a", "regex", "[0-9]", true)]
    [InlineData("?", "a", "present", "", false)]
    [InlineData("", "a", "present", "", false)]
    public void Matches_QueryParameters_Decoded(string query, string name, string kind, string value, bool expected) =>
        Check(Rule.Match() with { QueryParams = Rule.Named(name, Text(kind, value)) }, Rule.Request("http://h/" + query), expected);

    [Fact]
    public void Matches_SeveralParts_AllMust()
    {
        var match = Rule.Match() with { Uri = Rule.Prefix("/a"), Method = Rule.Exact("POST") };

        Check(match, Rule.Request("http://h/a", "POST"), true);
        Check(match, Rule.Request("http://h/a", "GET"), false);
        Check(match, Rule.Request("http://h/b", "POST"), false);
    }

    [Fact]
    public void Matches_NothingGiven_Everything() => Check(Rule.Match(), Rule.Request(), true);

    [Fact]
    public void And_OuterEntry_MustMatchTooAndGivesThePathIfThereIsNone()
    {
        var outer = Create(Rule.Match() with { Uri = Rule.Prefix("/api") });
        var inner = Create(Rule.Match() with { Method = Rule.Exact("GET") }).And(outer);

        Assert.True(inner.Matches(Rule.Request("http://h/api")));
        Assert.False(inner.Matches(Rule.Request("http://h/other")));
        Assert.False(inner.Matches(Rule.Request("http://h/api", "PUT")));
        Assert.Equal("/api", inner.Uri!.Value);
    }

    private static StringMatchConfig Text(string kind, string value) => kind switch
    {
        "exact" => Rule.Exact(value),
        "prefix" => Rule.Prefix(value),
        "regex" => Rule.Regex(value),
        _ => Rule.Present,
    };

    private static RouteMatch Create(RouteMatchConfig config)
    {
        var issues = new IssueList();
        var match = RouteMatch.Create(config, issues);
        Assert.Empty(issues.Issues);
        return match;
    }

    private static void Check(RouteMatchConfig config, HttpRequestMessage request, bool expected) =>
        Assert.Equal(expected, Create(config).Matches(request));
}
