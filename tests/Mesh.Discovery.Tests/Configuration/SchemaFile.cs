using System.Text.Json.Nodes;
using NJsonSchema;

namespace Mesh.Discovery.Tests.Configuration;

/// <summary>The schema by which editors check the section <c>Mesh</c>.</summary>
internal static class SchemaFile
{
    public static JsonNode Read()
    {
        using var stream = typeof(SchemaFile).Assembly.GetManifestResourceStream("ConfigurationSchema.json")!;
        return JsonNode.Parse(stream)!;
    }

    /// <summary>What is wrong with a document.</summary>
    public static async Task<IEnumerable<string>> ValidateAsync(string json)
    {
        var schema = await JsonSchema.FromJsonAsync(Read().ToJsonString(), TestContext.Current.CancellationToken);
        return schema.Validate(json).Select(static error => error.ToString());
    }
}
