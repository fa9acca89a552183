using System.Globalization;
using CsCheck;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Filters;

namespace Mesh.Discovery.Tests.Consul.Filters;

public class FilterExpressionTests
{
    private static readonly Endpoint s_endpoint = Instance(
        ["primary", "eu-1"], new() { ["version"] = "v1", ["my-key"] = "a b", ["a.b"] = "dotted", ["empty"] = "" });

    [Theory]
    [InlineData("Service.Meta.version == v1", true)]
    [InlineData("Service.Meta.version==v1", true)]
    [InlineData("Service.Meta.version == \"v1\"", true)]
    [InlineData("Service.Meta.version == `v1`", true)]
    [InlineData("Service.Meta.version == V1", false)]
    [InlineData("Service.Meta.version != v1", false)]
    [InlineData("Service.Meta[\"my-key\"] == \"a b\"", true)]
    [InlineData("Service.Meta[ `a.b` ] == dotted", true)]
    [InlineData("\"/Service/Meta/a.b\" == dotted", true)]
    [InlineData("\"/Service/Meta/my~1key\" is empty", true)]
    [InlineData("Service.Meta.version == \"\\u0076\\x31\"", true)]
    [InlineData("primary in Service.Tags", true)]
    [InlineData("`eu-1` in Service.Tags", true)]
    [InlineData("\"eu\" in Service.Tags", false)]
    [InlineData("secondary not in Service.Tags", true)]
    [InlineData("Service.Tags contains primary", true)]
    [InlineData("Service.Tags not contains primary", false)]
    [InlineData("Service.Tags is empty", false)]
    [InlineData("Service.Tags is not empty", true)]
    [InlineData("version in Service.Meta", true)]
    [InlineData("Service.Meta contains other", false)]
    [InlineData("Service.Meta is not empty", true)]
    [InlineData("Node.Meta is empty", false)]
    [InlineData("Node.Meta.rack == 7", true)]
    [InlineData("\"ie\" in Service.Service", true)]
    [InlineData("Service.Service contains view", true)]
    [InlineData("Service.ID == \"reviews-1\"", true)]
    [InlineData("Service.Address == \"10.0.0.1\"", true)]
    [InlineData("Service.Port == 8080", true)]
    [InlineData("Service.Port == \"0x1F90\"", true)]
    [InlineData("Service.Port != 80", true)]
    [InlineData("Node.Node == n1 and Node.ID == id and Node.Address == \"10.0.0.9\" and Node.Datacenter == dc1", true)]
    [InlineData("Service.Meta.version matches \"^v[0-9]$\"", true)]
    [InlineData("Service.Meta.version matches `1`", true)]
    [InlineData("Service.Meta.version not matches \"^1\"", true)]
    [InlineData("Service.Meta.none == v1", false)]
    [InlineData("Service.Meta.none != v1", true)]
    [InlineData("Service.Meta.none == \"\"", false)]
    [InlineData("x in Service.Meta.none", false)]
    [InlineData("x not in Service.Meta.none", true)]
    [InlineData("Service.Meta.none matches \".*\"", false)]
    [InlineData("Service.Meta.none not matches \".*\"", true)]
    [InlineData("Service.Meta.none is empty", true)]
    [InlineData("Service.Meta.none is not empty", false)]
    [InlineData("Service.Meta.empty is empty", true)]
    [InlineData("not Service.Meta.version == v1", false)]
    [InlineData("not not Service.Meta.version == v1", true)]
    [InlineData("not (Service.Meta.version == v1)", false)]
    [InlineData("Service.Port == 1 or Service.Port == 8080 and Service.Meta.version == v1", true)]
    [InlineData("Service.Port == 8080 or Service.Port == 1 and Service.Meta.version == v2", true)]
    [InlineData("(Service.Port == 8080 or Service.Port == 1) and Service.Meta.version == v2", false)]
    [InlineData("not Service.Port == 1 and Service.Port == 1", false)]
    [InlineData("  ( Service.Port == 8080 )\n", true)]
    [InlineData("Service.Meta.version == \"not\" or Service.Meta.version == v1", true)]
    public void Matches_Instance_AsConsulDoes(string expression, bool expected) =>
        Assert.Equal(expected, FilterExpression.Parse(expression).Matches(s_endpoint));

    [Theory]
    [InlineData("Service.Meta.version == v1", true)]
    [InlineData("Service.Meta is empty", false)]
    [InlineData("Service.Tags is empty", true)]
    [InlineData("Service.ID is empty and Service.Port == 0", true)]
    [InlineData("Node.Meta is empty and Node.Datacenter == \"\"", true)]
    public void Matches_EndpointOfAnotherCatalog_HasItsLabelsOnly(string expression, bool expected)
    {
        var endpoint = new Endpoint { Address = new Uri("http://10.0.0.1"), Labels = new Labels([new("version", "v1")]) };

        Assert.Equal(expected, FilterExpression.Parse(expression).Matches(endpoint));
    }

    [Theory]
    [InlineData("", 1, "the expression ends where a selector, a value, 'not' or '(' is needed")]
    [InlineData("Service.Meta.version", 21, "found 'the end' where an operator is needed; allowed are ==, !=, in")]
    [InlineData("Service.Meta.version == v1-beta", 27, "a value that is not one word of letters")]
    [InlineData("Service.Meta.version = v1", 22, "found '= v1' where an operator is needed")]
    [InlineData("Service.Meta.version == 1a", 25, "a text that starts with a digit is written in quotes")]
    [InlineData("Service.Meta.version == \"v1", 25, "has no end")]
    [InlineData("Service.Meta.version == \"\\d\"", 26, "starts no escape")]
    [InlineData("Service.Meta[x] == 1", 14, "an index is a text in quotes")]
    [InlineData("Service.Kind == typical", 1, "the selector 'Service.Kind' is not supported; allowed are Service.ID")]
    [InlineData("Checks.Status == passing", 1, "the selector 'Checks.Status' is not supported")]
    [InlineData("service.port == 1", 1, "the selector 'service.port' is not supported")]
    [InlineData("Service.Meta.a.b == 1", 1, "the selector 'Service.Meta.a.b' is not supported")]
    [InlineData("\"x\" == y", 1, "'x' is not a selector")]
    [InlineData("Service.Tags == x", 1, "'Service.Tags' is a list, for which there is no == and !=")]
    [InlineData("Service.Meta matches x", 1, "'Service.Meta' is a map")]
    [InlineData("1 in Service.Port", 6, "'Service.Port' is a number")]
    [InlineData("Service.Port is empty", 1, "'Service.Port' is a number")]
    [InlineData("Service.Port == abc", 17, "'abc' is not a whole number")]
    [InlineData("Service.Meta.a matches \"(\"", 24, "the regular expression '(' is not valid")]
    [InlineData("Service.Meta.a is nil", 18, "after 'is'; allowed are empty and not empty")]
    [InlineData("(Service.Port == 1", 19, "(for '(' at character 1)")]
    [InlineData("Service.Port == 1)", 18, "found ')' where 'and', 'or' or the end is allowed")]
    [InlineData("Service.Port == 1 and", 22, "the expression ends")]
    [InlineData("any Service.Tags as t { t == x }", 1, "'any … as … { … }' is not supported")]
    public void Parse_NotAnExpression_SaysWhereAndWhatIsAllowed(string expression, int position, string reason)
    {
        var error = Assert.Throws<FilterException>(() => FilterExpression.Parse(expression));

        Assert.StartsWith($"at character {position}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_HostileSize_Refused()
    {
        Assert.Contains("nested too deep", Refused(new string('(', 4000)), StringComparison.Ordinal);
        Assert.Contains("nested too deep", Refused(string.Concat(Enumerable.Repeat("not ", 2000)) + "Service.Port == 1"), StringComparison.Ordinal);
        Assert.Contains("at most 8192", Refused(new string('x', 9000)), StringComparison.Ordinal);
        Assert.True(FilterExpression.Parse(string.Join(" or ", Enumerable.Repeat("Service.Port == 1", 300)) + " or Service.Port == 8080").Matches(s_endpoint));

        static string Refused(string text) => Assert.Throws<FilterException>(() => FilterExpression.Parse(text)).Message;
    }

    [Fact]
    public void Matches_AnyExpression_AsTheOracle() =>
        Gen.Select(Expressions(4), s_instance).Sample(
            (node, endpoint) => FilterExpression.Parse(node.Text).Matches(endpoint) == node.Holds(endpoint), print: static x => x.ToString());

    private static readonly Gen<string> s_word = Gen.OneOf("a", "b", "ab", "v1");

    private static readonly Gen<Endpoint> s_instance =
        from tags in s_word.Array[0, 3]
        from version in s_word
        from hasVersion in Gen.Bool
        select Instance(tags, hasVersion ? new() { ["version"] = version } : []);

    /// <summary>Texts with a reading of their meaning that shares no code with the parser.</summary>
    private static Gen<Node> Expressions(int depth)
    {
        var leaf = Gen.Select(Gen.Int[0, 9], s_word, Gen.Bool).Select(static (kind, word, negated) => Leaf(kind, word, negated));
        if (depth == 0)
        {
            return leaf;
        }

        var inner = Expressions(depth - 1);
        return Gen.OneOf(
            leaf,
            inner.Select(static x => new Node($"not ({x.Text})", e => !x.Holds(e))),
            Gen.Select(inner, inner).Select(static (x, y) => new Node($"({x.Text}) and ({y.Text})", e => x.Holds(e) && y.Holds(e))),
            Gen.Select(inner, inner).Select(static (x, y) => new Node($"(({x.Text}) or ({y.Text}))", e => x.Holds(e) || y.Holds(e))),

            // Without parentheses: 'and' binds stronger.
            Gen.Select(leaf, leaf, leaf).Select(static (x, y, z) =>
                new Node($"{x.Text} or {y.Text} and not {z.Text}", e => x.Holds(e) || (y.Holds(e) && !z.Holds(e)))));
    }

    private static Node Leaf(int kind, string word, bool negated)
    {
        var not = negated ? "not " : "";
        Func<Endpoint, string?> version = static e => e.Consul!.Meta.TryGetValue("version", out var value) ? value : null;
        Node node = kind switch
        {
            0 => new($"Service.Meta.version {(negated ? "!=" : "==")} {word}", e => version(e) == word),
            1 => new($"{word} {not}in Service.Tags", e => e.Consul!.Tags.Any(tag => tag == word)),
            2 => new($"Service.Tags {not}contains `{word}`", e => e.Consul!.Tags.Any(tag => tag == word)),
            3 => new($"\"{word}\" {not}in Service.Meta.version", e => version(e)?.IndexOf(word, StringComparison.Ordinal) >= 0),
            4 => new($"Service.Meta.version {not}matches \"^{word}\"", e => version(e)?.StartsWith(word, StringComparison.Ordinal) ?? false),
            5 => new($"Service.Tags is {not}empty", static e => e.Consul!.Tags.Count == 0),
            6 => new($"Service.Meta.version is {not}empty", e => version(e) is null),
            7 => new($"version {not}in Service.Meta", e => version(e) is not null),
            8 => new($"Service.Port {(negated ? "!=" : "==")} 8080", static _ => true),
            _ => new($"Node.Datacenter {(negated ? "!=" : "==")} {word}", static _ => false),
        };
        return negated ? new Node(node.Text, e => !node.Holds(e)) : node;
    }

    private static Endpoint Instance(string[] tags, Dictionary<string, string> meta) => new()
    {
        Address = new Uri("http://10.0.0.1:8080"),
        Labels = new Labels([new("only", "label")]),
        Consul = new ConsulInstance
        {
            Id = "reviews-1",
            Service = "reviews",
            Tags = tags,
            Meta = new Labels(meta),
            Address = "10.0.0.1",
            Port = 8080,
            Node = new ConsulNode("n1", "id", "10.0.0.9", "dc1", new Labels([new("rack", 7.ToString(CultureInfo.InvariantCulture))])),
        },
    };

    private sealed record Node(string Text, Func<Endpoint, bool> Holds);
}
