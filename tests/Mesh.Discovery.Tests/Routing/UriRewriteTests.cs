using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class UriRewriteTests
{
    [Theory]
    [InlineData("/api", "/v2", "http://h/api/items?x=1", "http://h/v2/items?x=1")]
    [InlineData("/api", "/v2", "http://h/api", "http://h/v2")]
    [InlineData("/api/", "/", "http://h/api/items", "http://h/items")]
    [InlineData("/api", "/", "http://h/apis", "http://h/s")]
    [InlineData("/", "/v2/", "http://h:81/items?q=a%20b", "http://h:81/v2/items?q=a%20b")]
    [InlineData("/api", "/v2", "http://h/api/a%2Fb%20c", "http://h/v2/a%2Fb%20c")]
    [InlineData("/api", "/v2", "https://[::1]:8443/api/x", "https://[::1]:8443/v2/x")]
    public void Apply_Prefix_IsReplacedAndTheRestStays(string prefix, string uri, string original, string expected) =>
        Assert.Equal(expected, Apply(Config(uri), original, Rule.Prefix(prefix)));

    [Fact]
    public void Apply_PrefixWithoutCase_IsReplacedByItsLength() =>
        Assert.Equal("http://h/v2/Items", Apply(Config("/v2"), "http://h/API/Items", Rule.Prefix("/api"), ignoreCase: true));

    [Theory]
    [InlineData("exact")]
    [InlineData("regex")]
    [InlineData("none")]
    public void Apply_OtherMatches_TheWholePathIsReplaced(string kind)
    {
        var match = kind switch { "exact" => Rule.Exact("/api/items"), "regex" => Rule.Regex("/api/.*"), _ => null };

        Assert.Equal("http://h/v2?x=1", Apply(Config("/v2"), "http://h/api/items?x=1", match));
    }

    [Theory]
    [InlineData("^/api/v([0-9]+)/(.*)$", @"/\2/of/\1", "http://h/api/v3/items?x=1", "http://h/items/of/3?x=1")]
    [InlineData("/a", "/$1", "http://h/a/b", "http://h/$1/b")]
    [InlineData("a", "${0}$&", "http://h/a", "http://h/$%7B0%7D$&")]
    [InlineData("b", @"[\0]", "http://h/abab", "http://h/a[b]a[b]")]
    [InlineData("x", "y", "http://h/a", "http://h/a")]
    [InlineData("^/", "", "http://h/a", "http://h/a")]
    [InlineData("%2F", "%2f", "http://h/a%2Fb", "http://h/a%2fb")]
    [InlineData("/(?P<name>[a-z]+)/([a-z]+)", @"/\2/\1", "http://h/a/b", "http://h/b/a")]
    [InlineData("/a", @"/\\1", "http://h/a", @"http://h//1")]
    public void Apply_Regex_CapturesAndLiteralDollars(string pattern, string replacement, string original, string expected) =>
        Assert.Equal(expected, Apply(Regex(pattern, replacement), original, null));

    [Fact]
    public void Apply_AuthorityOnly_LeavesTheUri()
    {
        var issues = new IssueList();
        var rewrite = UriRewrite.Create(new RewriteConfig { Location = Rule.At(), Authority = "shop.example.com" }, issues)!;
        var uri = new Uri("http://h/a%2Fb?x");

        Assert.Same(uri, rewrite.Apply(uri, null));
        Assert.Equal("shop.example.com", rewrite.Authority);
    }

    [Fact]
    public void Create_Nothing_IsNull() => Assert.Null(UriRewrite.Create(null, new IssueList()));

    [Theory]
    [InlineData("v2", null, null, "'v2' is not allowed; a path starts with '/'")]
    [InlineData("/v2", "/a", "/b", "exclude each other")]
    [InlineData(null, "/(a", "/b", "'/(a' is not valid")]
    [InlineData(null, "/a)|(b", "/b", "closes nothing")]
    [InlineData(null, "/(a{1000}){1000}", "/b", "more than 5000")]
    [InlineData(null, "/(a)", @"/\2", @"uses \2, but '/(a)' has 1 groups")]
    [InlineData(null, "/(a)", @"/\x", "a lone backslash")]
    [InlineData(null, "/(a)", @"/\", "a lone backslash")]
    public void Create_BadConfig_ErrorWithReason(string? uri, string? pattern, string? replacement, string reason)
    {
        var issues = new IssueList();

        UriRewrite.Create(new RewriteConfig { Location = Rule.At("rewrite"), Uri = uri, RegexMatch = pattern, RegexRewrite = replacement }, issues);

        var issue = Assert.Single(issues.Issues);
        Assert.Equal("rewrite", issue.Location.Path);
        Assert.Contains(reason, issue.Message, StringComparison.Ordinal);
    }

    private static RewriteConfig Config(string uri) => new() { Location = Rule.At(), Uri = uri };

    private static RewriteConfig Regex(string pattern, string replacement) =>
        new() { Location = Rule.At(), RegexMatch = pattern, RegexRewrite = replacement };

    private static string Apply(RewriteConfig config, string original, StringMatchConfig? matched, bool ignoreCase = false)
    {
        var issues = new IssueList();
        var rewrite = UriRewrite.Create(config, issues)!;
        var matcher = StringMatcher.Create(matched, ignoreCase, issues);
        Assert.Empty(issues.Issues);
        return rewrite.Apply(new Uri(original), matcher).AbsoluteUri;
    }
}
