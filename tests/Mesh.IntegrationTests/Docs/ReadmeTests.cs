using System.Text.RegularExpressions;
using Xunit;

namespace Mesh.IntegrationTests.Docs;

/// <summary>What the README shows is what samples/Quickstart holds, and its links lead somewhere.</summary>
public sealed partial class ReadmeTests
{
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
    [InlineData("docs/getting-started.md")]
    [InlineData("samples/Bookinfo/README.md")]
    public void Links_OfDocument_LeadToFiles(string document)
    {
        var folder = Path.GetDirectoryName(Repository.At(document))!;
        var links = Link().Matches(Text(document)).Select(static link => link.Groups["target"].Value)
            .Where(static target => !target.Contains("://"));

        Assert.All(links, link => Assert.True(Path.Exists(Path.Combine(folder, link)), $"{document} links to {link}"));
    }

    private static string Text(params string[] path) => File.ReadAllText(Repository.At(path)).ReplaceLineEndings("\n");

    [GeneratedRegex(@"^```(?<language>\w+)\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\]\((?<target>[^)#]+)(#[^)]*)?\)")]
    private static partial Regex Link();
}
