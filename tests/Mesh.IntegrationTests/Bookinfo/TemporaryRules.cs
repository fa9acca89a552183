namespace Mesh.IntegrationTests.Bookinfo;

/// <summary>A copy of the demo's rules that a test may edit.</summary>
internal sealed class TemporaryRules : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("bookinfo-rules-");

    public TemporaryRules()
    {
        foreach (var file in Directory.GetFiles(Repository.At("samples", "Bookinfo", "mesh")))
        {
            File.Copy(file, System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file)));
        }
    }

    public string Path => _directory.FullName;

    public void Replace(string text, string by)
    {
        var file = System.IO.Path.Combine(Path, "reviews.yaml");
        var before = File.ReadAllText(file);
        Assert.Contains(text, before);
        File.WriteAllText(file, before.Replace(text, by));
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
