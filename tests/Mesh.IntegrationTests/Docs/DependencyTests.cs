using System.Reflection;
using System.Xml.Linq;

namespace Mesh.IntegrationTests.Docs;

/// <summary>The arrows of docs/architecture.md: Mesh.Discovery ← Mesh.Client ← Mesh.Server.</summary>
public sealed class DependencyTests
{
    [Theory]
    [InlineData("Mesh.Discovery", "")]
    [InlineData("Mesh.Client", "Mesh.Discovery")]
    [InlineData("Mesh.Server", "Mesh.Client")]
    public void ProjectReferences_OfEachPackage_PointOneWay(string package, string expected)
    {
        var referenced = Items(package, "ProjectReference").Select(Path.GetFileNameWithoutExtension);

        Assert.Equal(expected, string.Join(',', referenced));
    }

    [Fact]
    public void PackageReferences_OfDiscovery_AreExtensionsAndYamlOnly()
    {
        Assert.All(
            Items("Mesh.Discovery", "PackageReference"),
            static package => Assert.Matches(@"^(YamlDotNet|Microsoft\.Extensions\..+)$", package));
    }

    [Theory]
    [InlineData("Mesh.Discovery")]
    [InlineData("Mesh.Client")]
    public void FrameworkReferences_BelowServer_AreNone(string package) =>
        Assert.Empty(Items(package, "FrameworkReference"));

    [Theory]
    [InlineData("Mesh.Discovery")]
    [InlineData("Mesh.Client")]
    public void Assemblies_BelowServer_UseNoAspNetCore(string package)
    {
        Assert.All(References(package), static name => Assert.DoesNotContain("Microsoft.AspNetCore", name));
    }

    [Theory]
    [InlineData("Mesh.Discovery", "Mesh.Client")]
    [InlineData("Mesh.Discovery", "Mesh.Server")]
    [InlineData("Mesh.Client", "Mesh.Server")]
    public void Assemblies_LowerOnes_DoNotKnowHigherOnes(string lower, string higher)
    {
        Assert.DoesNotContain(higher, References(lower));
    }

    private static IEnumerable<string> References(string package) =>
        Assembly.Load(package).GetReferencedAssemblies().Select(static reference => reference.Name!);

    private static IEnumerable<string> Items(string package, string kind) =>
        XDocument.Load(Repository.At("src", package, $"{package}.csproj"))
            .Descendants(kind)
            .Select(static item => item.Attribute("Include")!.Value);
}
