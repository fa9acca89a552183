using System.Text.RegularExpressions;

namespace Mesh.IntegrationTests.Docs;

/// <summary>The README shows what samples/Quickstart holds; the links and the code of all pages are good.</summary>
public sealed partial class ReadmeTests
{
    private static readonly Lazy<List<string>> s_sources = new(static () =>
        [.. new[] { "src", "tests", "samples", "benchmarks" }
            .SelectMany(static folder =>
                Directory.EnumerateFiles(Repository.At(folder), "*.cs", SearchOption.AllDirectories))
            .Select(static file => Text(file))]);

    [Theory]
    [InlineData("csharp", "Program.cs")]
    [InlineData("json", "appsettings.json")]
    public void CodeBlock_InReadme_IsTheSampleFile(string language, string file)
    {
        var blocks = CodeBlock().Matches(Text("README.md")).Where(block => block.Groups["language"].Value == language);

        var block = Assert.Single(blocks);
        Assert.Equal(Text("samples", "Quickstart", file).Trim(), block.Groups["code"].Value.Trim());
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("CONTRIBUTING.md")]
    [InlineData("samples/Bookinfo/README.md")]
    [MemberData(nameof(Pages))]
    public void Links_OfDocument_LeadToFiles(string document)
    {
        var folder = Path.GetDirectoryName(Repository.At(document))!;
        var links = Link().Matches(Text(document)).Select(static link => link.Groups["target"].Value)
            .Where(static target => !target.Contains("://"));

        Assert.All(links, link => Assert.True(Path.Exists(Path.Combine(folder, link)), $"{document} links to {link}"));
    }

    [Fact]
    public void Readme_LinksToEveryPage()
    {
        var readme = Text("README.md");

        Assert.All(Pages(), page => Assert.Contains($"]({page.Data})", readme));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Code_OfPage_StandsInACompiledFile(string page)
    {
        var blocks = CodeBlock().Matches(Text(page)).Where(static block => block.Groups["language"].Value == "csharp")
            .Select(static block => block.Groups["code"].Value);

        Assert.All(blocks, static block => Assert.True(s_sources.Value.Exists(source => Holds(source, block)), block));
    }

    [Fact]
    public void Code_OfAllPages_IsFound() => Assert.True(
        Pages().Sum(static page => CodeBlock().Count(Text(page.Data))) > 20);

    public static IEnumerable<TheoryDataRow<string>> Pages() =>
        Directory.GetFiles(Repository.At("docs"), "*.md").Order(StringComparer.Ordinal)
            .Select(static file => new TheoryDataRow<string>($"docs/{Path.GetFileName(file)}"));

    /// <summary>Whether the lines stand in the source as they are, all of them indented alike.</summary>
    private static bool Holds(string source, string code)
    {
        foreach (var indent in new[] { "", "    ", "        " })
        {
            var lines = code.TrimEnd('\n').Split('\n').Select(line => line.Length == 0 ? line : indent + line);
            if (("\n" + source).Contains("\n" + string.Join('\n', lines) + "\n", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    private static string Text(params string[] path) => File.ReadAllText(Repository.At(path)).ReplaceLineEndings("\n");

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\((?<target>[^)#]+)(#[^)]*)?\)")]
    private static partial Regex Link();
}
