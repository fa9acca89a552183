using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Tests.Routing;

namespace Mesh.Discovery.Tests.Runtime;

public class RuleBookReloadTests
{
    private readonly RuleBook _book = new(Rule.Compiler());

    public RuleBookReloadTests()
    {
        _book.AddSource("file", 0);
        _book.AddSource("kv", 1);
    }

    [Fact]
    public void Compile_FirstWithErrors_RefusesEverythingAndTellsAll()
    {
        _book.Publish("file", new RuleBatch([Bad("a"), Good("b")], [Issue("x.yaml", "not YAML")]));
        _book.Publish("kv", new RuleBatch([Bad("c")], []));

        Assert.False(_book.Compile(isFirst: true));

        Assert.Null(_book.Compiled);
        Assert.Empty(_book.Status);
        Assert.Equal(3, _book.Issues.Count);
    }

    [Fact]
    public void Compile_FirstWithWarnings_IsUsed()
    {
        _book.Publish("file", new RuleBatch([Good("a")], [Issue("x.yaml", "has no effect") with { Severity = IssueSeverity.Warning }]));

        Assert.True(_book.Compile(isFirst: true));
        Assert.Single(_book.Issues);
    }

    [Fact]
    public void Compile_ChangedDocumentIsBad_ItsLastGoodStaysAndOthersChange()
    {
        Begin(Good("a", "old"), Good("b", "old"));

        Assert.True(Publish(Bad("a"), Good("b", "new"), Good("c", "new")));

        Assert.Equal("a=old b=new c=new", Show());
        Assert.Contains("VirtualService prod/a", Assert.Single(_book.Issues).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_NewDocumentIsBad_IsLeftOut()
    {
        Begin(Good("a", "old"));

        Assert.True(Publish(Good("a", "new"), Bad("b")));

        Assert.Equal("a=new", Show());
        Assert.Single(_book.Issues);
    }

    [Fact]
    public void Compile_BadDocumentIsMended_IsUsedAndNothingIsWrong()
    {
        Begin(Good("a", "old"));
        Publish(Bad("a"));

        Assert.True(Publish(Good("a", "new")));

        Assert.Equal("a=new", Show());
        Assert.Empty(_book.Issues);
    }

    [Fact]
    public void Compile_BadDocumentStays_ItIsToldEveryTimeAndItsLastGoodStays()
    {
        Begin(Good("a", "old"));
        var bad = Bad("a");

        for (var i = 0; i < 3; i++)
        {
            Assert.True(Publish(bad, Good("b", i.ToString())));
            Assert.Single(_book.Issues);
            Assert.Equal($"a=old b={i}", Show());
        }
    }

    [Fact]
    public void Compile_DestinationRuleBreaksUnchangedRoutes_ThatChangeIsHeldBackAndNoOther()
    {
        var route = Rule.Service("a", ["a"], Rule.Route("old", Rule.To("a", "v1")));
        Begin(route, Rule.Destination("a", "v1", "v2"));

        Assert.True(Publish(route, Rule.Destination("a", "v2"), Good("b")));

        Assert.Contains("a=old", Show(), StringComparison.Ordinal);
        Assert.Contains("b=", Show(), StringComparison.Ordinal);
        Assert.Equal(2, _book.Issues.Count);
        Assert.Contains("'v1' of 'a.prod.svc.cluster.local' is not defined; defined are v2", _book.Issues[0].Message, StringComparison.Ordinal);
        Assert.StartsWith("the change is held back, because of ", _book.Issues[1].Message, StringComparison.Ordinal);

        // The same again, with one more good change: nothing is frozen.
        Assert.True(Publish(route, Rule.Destination("a", "v2"), Good("b", "newer")));
        Assert.Contains("b=newer", Show(), StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_RemovedDestinationRuleIsStillReferredTo_Stays()
    {
        var route = Rule.Service("a", ["a"], Rule.Route("old", Rule.To("a", "v1")));
        Begin(route, Rule.Destination("a", "v1"), Good("b"));

        Assert.True(Publish(route, Good("b", "newer")));

        Assert.Contains("a=old", Show(), StringComparison.Ordinal);
        Assert.Contains("b=newer", Show(), StringComparison.Ordinal);
        Assert.Contains(_book.Issues, static issue => issue.Message.StartsWith("the change is held back", StringComparison.Ordinal));
    }

    [Fact]
    public void Compile_RoutesAndSubsetsChangeTogether_BothAreUsed()
    {
        Begin(Rule.Service("a", ["a"], Rule.Route("old", Rule.To("a", "v1"))), Rule.Destination("a", "v1"));

        Assert.True(Publish(Rule.Service("a", ["a"], Rule.Route("new", Rule.To("a", "v2"))), Rule.Destination("a", "v2")));

        Assert.Equal("a=new", Show());
    }

    [Fact]
    public void Compile_NewRoutesNeedARefusedRule_BothLastGoodStay()
    {
        Begin(Rule.Service("a", ["a"], Rule.Route("old", Rule.To("a", "v1"))), Rule.Destination("a", "v1"));

        Assert.True(Publish(Rule.Service("a", ["a"], Rule.Route("new", Rule.To("a", "v2"))), Rule.Destination("a", "v2", "v2")));

        Assert.Equal("a=old", Show());
        Assert.Equal(2, _book.Issues.Count);
    }

    [Fact]
    public void Compile_DocumentRemoved_IsGone()
    {
        Begin(Good("a"), Good("b"));

        Assert.True(Publish(Good("b", "new")));

        Assert.Equal("b=new", Show());
    }

    [Fact]
    public void Compile_NewDocumentForATakenHost_TheNewcomerIsRefusedWhereverItStands()
    {
        Begin(Good("a", "old"));
        var clash = Rule.Service("b", ["a.prod"], Rule.Route("clash", Rule.To("b"))).From("0.yaml");

        Assert.True(Publish(clash, Good("a", "new"), Good("c", "new")));
        Assert.Equal("a=old c=new", Show());

        Assert.True(Publish(clash, _book.Status.Single(static s => s.Rule.Name == "a").Rule, Good("c", "newer")));
        Assert.Equal("a=old c=newer", Show());
    }

    [Fact]
    public void Compile_NameTwiceInOneFile_TheLastGoodStaysAndOthersChange()
    {
        var a = Good("a", "old");
        Begin(a, Good("b", "old"));

        Assert.True(Publish(a, Good("a", "again"), Good("b", "new")));
        Assert.Equal("a=old b=new", Show());

        Assert.True(Publish(Good("a", "one"), Good("a", "two"), Good("b", "newer")));
        Assert.Equal("a=old b=newer", Show());
    }

    [Fact]
    public void Compile_NameIsTakenInAnotherFile_TheNewcomerIsRefused()
    {
        var a = Good("a", "old");
        Begin(a);

        Assert.True(Publish(Good("a", "copy").From("0.yaml"), a, Good("b", "new")));

        Assert.Equal("a=old b=new", Show());
        Assert.Contains("the name 'a' is used twice", Assert.Single(_book.Issues).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Compile_DocumentMovesToAnotherFile_IsUsedFromThere()
    {
        Begin(Good("a", "old"));

        Assert.True(Publish(Good("a", "moved").From("0.yaml")));

        Assert.Equal("a=moved", Show());
        Assert.Empty(_book.Issues);
    }

    [Fact]
    public void Compile_UnreadableFile_ItsDocumentsStayAndOthersMayGo()
    {
        Begin(Good("a"), Good("b").From("b.yaml"));

        _book.Publish("file", new RuleBatch([], [Issue("b.yaml", "is not YAML")]));
        Assert.True(_book.Compile(isFirst: false));

        Assert.Equal("b=b", Show());
    }

    [Fact]
    public void Compile_OneUnreadableDocument_OnlyItStays()
    {
        Begin(Good("a"), Good("b"));

        _book.Publish("file", new RuleBatch([], [Issue(Rule.File, "is bad", "VirtualService prod/b")]));
        Assert.True(_book.Compile(isFirst: false));

        Assert.Equal("b=b", Show());
    }

    [Fact]
    public void Compile_UnreadableDocumentOfAnotherSource_TakesNothingFromThisOne()
    {
        Begin(Good("a"));
        _book.Publish("kv", new RuleBatch([], [Issue(Rule.File, "is bad")]));
        _book.Publish("file", RuleBatch.Empty);

        Assert.True(_book.Compile(isFirst: false));

        Assert.Equal("", Show());
    }

    [Fact]
    public void Status_HiddenByAStrongerSource_IsNotInEffect()
    {
        _book.Publish("file", new RuleBatch([Good("a", "weak")], []));
        _book.Publish("kv", new RuleBatch([Good("a", "strong").From("kv/a")], []));
        Assert.True(_book.Compile(isFirst: true));

        Assert.Equal([("file", 0, false), ("kv", 1, true)], _book.Status.Select(static s => (s.Source, s.Precedence, s.InEffect)));
        Assert.Equal("strong", _book.Compiled!.Routes("a.prod.svc.cluster.local")[0].Name);
    }

    [Fact]
    public void Compile_OneDocumentChanges_RoutesOfTheOthersAreReused()
    {
        var a = Good("a");
        Begin(a, Good("b"));
        var routes = _book.Compiled!.Tables.Find("a.prod.svc.cluster.local")!.Routes;

        Publish(a, Good("b", "new"));

        Assert.Same(routes[0], _book.Compiled!.Tables.Find("a.prod.svc.cluster.local")!.Routes[0]);
    }

    private static VirtualServiceConfig Good(string name, string route = "b") =>
        Rule.Service(name, [name], Rule.Route(route, Rule.To(name)));

    private static VirtualServiceConfig Bad(string name) =>
        Rule.Service(name, [name], Rule.Route("bad", Rule.To(name, weight: 0), Rule.To(name, weight: 0)));

    private static RuleIssue Issue(string origin, string message, string document = "") =>
        new(IssueSeverity.Error, Rule.At("", document, origin), message);

    private void Begin(params RuleConfig[] rules)
    {
        _book.Publish("file", new RuleBatch(rules, []));
        Assert.True(_book.Compile(isFirst: true), string.Join('\n', _book.Issues));
    }

    private bool Publish(params RuleConfig[] rules)
    {
        _book.Publish("file", new RuleBatch(rules, []));
        return _book.Compile(isFirst: false);
    }

    private string Show() => string.Join(' ', _book.Status.Select(static s => s.Rule).OfType<VirtualServiceConfig>()
        .OrderBy(static rule => rule.Name, StringComparer.Ordinal).Select(static rule => $"{rule.Name}={rule.Http[0].Name}"));
}
