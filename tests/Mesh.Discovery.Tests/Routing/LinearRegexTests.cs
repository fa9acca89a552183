using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class LinearRegexTests
{
    [Theory]
    [InlineData("a|b", "a", true)]
    [InlineData("a|b", "ab", false)]
    [InlineData("^a$", "a", true)]
    [InlineData("a", "a\n", false)]
    [InlineData("a$", "a\n", false)]
    [InlineData("a.c", "a\nc", false)]
    [InlineData("(?s)a.c", "a\nc", true)]
    [InlineData("(?i)abc", "ABC", true)]
    [InlineData("(?i:a)b", "AB", false)]
    [InlineData("(?m)^a$", "b\na", false)]
    [InlineData(@"\d+", "12", true)]
    [InlineData(@"\d", "٣", false)]
    [InlineData(@"\w", "ä", false)]
    [InlineData(@"\D\W\S", "a-b", true)]
    [InlineData(@"[\d\w\s-]+", "a 1-", true)]
    [InlineData("[[:alpha:]]+", "abc", true)]
    [InlineData("[[:alpha:]]+", "abc]", false)]
    [InlineData("[^[:digit:]x]+", "abc", true)]
    [InlineData("[[:punct:]]+", "!-[]~", true)]
    [InlineData("[]a]+", "]a", true)]
    [InlineData("[^]a]", "b", true)]
    [InlineData("[a[b]+", "[ab", true)]
    [InlineData("[a-c-[b]+", "b", true)]
    [InlineData(@"\Qa.b*\E+", "a.b**", true)]
    [InlineData(@"\Qa.b", "a.b", true)]
    [InlineData(@"\pL\p{Lu}", "aB", true)]
    [InlineData(@"\x{41}\x42", "AB", true)]
    [InlineData("(?P<v>v[0-9])/(?<w>x)", "v1/x", true)]
    [InlineData("a{2,3}", "aaaa", false)]
    [InlineData("a{2,}", "aaaa", true)]
    [InlineData("a{,2}", "a{,2}", true)]
    [InlineData("a{x}", "a{x}", true)]
    [InlineData("a{", "a{", true)]
    [InlineData("", "", true)]
    [InlineData("a*?b", "aab", true)]
    public void Create_GoodExpression_FullMatchAsInRe2(string pattern, string text, bool expected) =>
        Assert.Equal(expected, Create(pattern)!.IsMatch(text));

    [Theory]
    [InlineData("a)|(b", "')' closes nothing")]
    [InlineData("(a", "a group is not closed")]
    [InlineData("[a", "']' is missing")]
    [InlineData(@"a\", "ends with a backslash")]
    [InlineData(@"\Ka)", @"\K")]
    [InlineData("*a", "nothing")]
    [InlineData("a**", "Nested quantifier")]
    [InlineData("a(?=b)", "not supported")]
    [InlineData("(?<=b)a", "not supported")]
    [InlineData("(?<!b)a", "not supported")]
    [InlineData("(?>a)", "not supported")]
    [InlineData("(?x) a #", "not supported")]
    [InlineData("(?#note)", "not supported")]
    [InlineData("(?U)a", "not supported")]
    [InlineData("(?", "not supported")]
    [InlineData("(?P<", "not supported")]
    [InlineData(@"(a)\1", "")]
    [InlineData("[[:letters:]]", "'letters' is not known; allowed are alnum")]
    [InlineData("[[:alpha", "is not known")]
    [InlineData(@"\x{1F600}", "up to FFFF")]
    [InlineData(@"\p{Lu", "'}' is missing")]
    [InlineData("[z-a]", "reverse")]
    [InlineData("a{1001}", "at most 1000")]
    [InlineData("a{1,99999999999999999999}", "at most 1000")]
    [InlineData("(a{100}){100}", "more than 5000")]
    [InlineData("((a{1000}){1000}){1000}", "more than 5000")]
    [InlineData("(((((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}){9}){9})", "more than 5000")]
    public void Create_BadExpression_ErrorWithPlaceAndReason(string pattern, string reason)
    {
        var issues = new IssueList();

        Assert.Null(LinearRegex.Create(pattern, false, true, Rule.At("spec.http[0].match[0].uri"), issues));

        var issue = Assert.Single(issues.Issues);
        Assert.Equal(IssueSeverity.Error, issue.Severity);
        Assert.Equal("spec.http[0].match[0].uri", issue.Location.Path);
        Assert.StartsWith($"the regular expression '{pattern}' is not valid: ", issue.Message, StringComparison.Ordinal);
        Assert.Contains(reason, issue.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Create_MegabytesOrDeepNesting_RefusedWithAShortMessage()
    {
        foreach (var pattern in new[] { new string('a', 1_000_000), new string('(', 100_000) + new string(')', 100_000) })
        {
            var issues = new IssueList();

            Assert.Null(LinearRegex.Create(pattern, false, true, Rule.At(), issues));
            Assert.InRange(Assert.Single(issues.Issues).Message.Length, 1, 400);
        }
    }

    [Fact]
    public void IsMatch_HostileExpressionAndText_GrowsNoFasterThanTheText()
    {
        var regex = Create("(a|a)*(a*)*(a+)+b")!;
        var small = new string('a', 20_000);
        var large = new string('a', 200_000);
        Assert.DoesNotMatch(regex, small);
        Assert.DoesNotMatch(regex, large);

        // Ten times the text in clearly less than the hundredfold of a quadratic engine; the best of several rounds.
        var ratio = Enumerable.Range(0, 5).Min(_ => Measure(large) / Measure(small));
        Assert.InRange(ratio, 0, 50);

        double Measure(string text)
        {
            var start = TimeProvider.System.GetTimestamp();
            Assert.DoesNotMatch(regex, text);
            return TimeProvider.System.GetElapsedTime(start).TotalMicroseconds;
        }
    }

    private static System.Text.RegularExpressions.Regex? Create(string pattern)
    {
        var issues = new IssueList();
        var regex = LinearRegex.Create(pattern, ignoreCase: false, isFullMatch: true, Rule.At(), issues);
        Assert.Empty(issues.Issues);
        return regex;
    }
}
