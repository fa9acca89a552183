using Mesh.Discovery.Configuration;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Configuration;
using Mesh.Discovery.Tests.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Tests;

/// <summary>Reads and compiles every document that the README and the pages show, as a process would.</summary>
public sealed class DocumentationTests
{
    /// <summary>The line before a block that is wrong on purpose.</summary>
    private const string Marker = "<!-- shows an error -->";

    private static readonly HashSet<string> s_policies =
        ["LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH", "PEAK_EWMA"];

    public static TheoryData<string, int, string, string> GoodBlocks() => Blocks(isBad: false);

    public static TheoryData<string, int, string, string> BadBlocks() => Blocks(isBad: true);

    [Theory]
    [MemberData(nameof(GoodBlocks), DisableDiscoveryEnumeration = true)]
    public async Task Block_AsWritten_IsReadAndCompiledWithoutIssues(
        string page, int line, string language, string text)
    {
        Assert.True(line > 0, page);
        Assert.Empty(Issues(language, text, out var rules));
        if (language == "json")
        {
            Assert.True(Reader.Json(text).GetSection(MeshOptions.SectionName).Exists(), "there is no outer \"Mesh\"");
            Assert.Empty(await SchemaFile.ValidateAsync(text));
        }
        else
        {
            Assert.NotEmpty(rules);
        }
    }

    [Theory]
    [MemberData(nameof(BadBlocks), DisableDiscoveryEnumeration = true)]
    public void Block_ThatShowsAnError_HasOne(string page, int line, string language, string text)
    {
        Assert.True(line > 0, page);
        Assert.NotEmpty(Issues(language, text, out _));
    }

    [Fact]
    public void Blocks_OfAllPages_AreFound()
    {
        Assert.InRange(GoodBlocks().Count, 20, 200);
        Assert.InRange(BadBlocks().Count, 1, 20);
    }

    private static List<RuleIssue> Issues(string language, string text, out IReadOnlyList<RuleConfig> rules)
    {
        var issues = new List<RuleIssue>();
        RuleBatch batch;
        if (language == "json")
        {
            var options = new MeshOptions();
            issues.AddRange(MeshOptionsReader.Read(Reader.Json(text), options));
            issues.AddRange(ConfigurationCatalog.Parse(Reader.Json(text), options).Issues);
            batch = Reader.Configuration(text, strict: true);
        }
        else
        {
            batch = Reader.Yaml(text, strict: true);
        }

        var compiled = new RuleCompiler("default", Labels.Empty, s_policies, 2, pipelines: new HashSet<string> { "slow-partner" })
            .Compile([.. batch.Rules.Select(static rule => new PlacedRule(rule, 0))]);
        rules = batch.Rules;
        return [.. issues, .. batch.Issues, .. compiled.Issues.Issues];
    }

    private static TheoryData<string, int, string, string> Blocks(bool isBad)
    {
        var data = new TheoryData<string, int, string, string>();
        var pages = Directory.GetFiles(Clone.At("docs"), "*.md").Order(StringComparer.Ordinal);
        foreach (var page in pages.Prepend(Clone.At("README.md")))
        {
            var lines = File.ReadAllLines(page);
            for (var start = 0; start < lines.Length; start++)
            {
                if (!lines[start].StartsWith("```", StringComparison.Ordinal))
                {
                    continue;
                }

                var end = Array.IndexOf(lines, "```", start + 1);
                Assert.True(end > start, $"{page}:{start + 1}: the block is not closed");
                var language = lines[start][3..];
                if (language is "json" or "yaml" && (start > 0 && lines[start - 1] == Marker) == isBad)
                {
                    data.Add(Path.GetFileName(page), start + 1, language, string.Join('\n', lines[(start + 1)..end]));
                }

                start = end;
            }
        }

        return data;
    }
}
