namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>docs/resilience.md, "What goes wrong on the wire", lists these cases and no others.</summary>
public sealed class DocumentedCasesTests
{
    [Fact]
    public void Table_OfTheDocumentation_IsThatOfTheTests()
    {
        var lines = File.ReadAllLines(Path.Combine(Root(), "docs", "resilience.md"));
        var documented = lines.SkipWhile(static line => line != "| What happens | Class |").Skip(2).TakeWhile(static line => line.StartsWith('|'));

        Assert.Equal(Cases.All.Select(static c => $"| {c.What} | {Class(c)} |"), documented);
    }

    private static string Class(Case c)
    {
        var first = c.Class is { } known ? $"`{known}`" : c.HasBody ? "none: it succeeds" : "none: the body fails";
        return string.Join(" or ", [first, .. c.Or.Select(static or => $"`{or}`")]);
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Mesh.Library.sln")))
        {
            folder = folder.Parent!;
        }

        return folder.FullName;
    }
}
