using Mesh.Discovery.Configuration;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests;

/// <summary>Reads and compiles every complete document of the pages about configuration.</summary>
public sealed class DocumentationTests
{
    private static readonly HashSet<string> s_policies =
        ["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH", "PEAK_EWMA"];

    public static TheoryData<string, int, string, string> Blocks()
    {
        var data = new TheoryData<string, int, string, string>();
        foreach (var page in new[] { "configuration.md", "istio.md" })
        {
            var lines = File.ReadAllLines(Path.Combine(Root(), "docs", page));
            for (var start = 0; start < lines.Length; start++)
            {
                if (lines[start] is "```json" or "```yaml")
                {
                    var end = Array.IndexOf(lines, "```", start + 1);
                    data.Add(page, start + 1, lines[start][3..], string.Join('\n', lines[(start + 1)..end]));
                    start = end;
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Blocks), DisableDiscoveryEnumeration = true)]
    public void Block_AsWritten_IsReadAndCompiledWithoutIssues(string page, int line, string language, string text)
    {
        Assert.True(line > 0, page);
        RuleBatch batch;
        if (language == "json")
        {
            var options = new MeshOptions();
            Assert.Empty(MeshOptionsReader.Read(Reader.Json(text), options));
            Assert.Empty(ConfigurationCatalog.Parse(Reader.Json(text), options).Issues);
            batch = Reader.Configuration(text);
        }
        else
        {
            batch = Reader.Yaml(text, strict: true);
        }

        Assert.Empty(batch.Issues);
        var compiled = new RuleCompiler("default", Labels.Empty, s_policies, 2)
            .Compile([.. batch.Rules.Select(static rule => new PlacedRule(rule, 0))]);
        Assert.Empty(compiled.Issues.Issues);
    }

    [Fact]
    public void Blocks_OfBothPages_AreFound() => Assert.InRange(Blocks().Count, 10, 100);

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Mesh.Library.sln")))
        {
            directory = directory.Parent;
        }

        return directory.FullName;
    }
}
