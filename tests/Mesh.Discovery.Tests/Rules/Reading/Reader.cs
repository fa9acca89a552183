using System.Text;
using Mesh.Discovery.Configuration;
using Mesh.Discovery.Istio;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Tests.Rules.Reading;

/// <summary>Reads texts as the sources do.</summary>
internal static class Reader
{
    public const string Origin = "mesh/test.yaml";

    public static RuleBatch Yaml(string text, bool strict = false, string @namespace = "default")
    {
        var file = YamlFile.Parse(text, Origin);
        if (file.Failure is { } failure)
        {
            return new RuleBatch([], [failure]);
        }

        var read = file.Documents.SelectMany(document => IstioDocumentReader.Read(document, @namespace, strict)).ToList();
        return new RuleBatch(
            [.. read.Select(static one => one.Rule).OfType<RuleConfig>()], [.. read.SelectMany(static one => one.Issues)]);
    }

    /// <summary>The one rule of a text without issues.</summary>
    public static T One<T>(string text) where T : RuleConfig
    {
        var batch = Yaml(text);
        Assert.Empty(batch.Issues);
        return Assert.IsType<T>(Assert.Single(batch.Rules));
    }

    /// <summary>The one rule of a text, whatever warnings there are.</summary>
    public static T One<T>(string text, out IReadOnlyList<RuleIssue> warnings) where T : RuleConfig
    {
        var batch = Yaml(text);
        Assert.All(batch.Issues, static issue => Assert.Equal(IssueSeverity.Warning, issue.Severity));
        warnings = batch.Issues;
        return Assert.IsType<T>(Assert.Single(batch.Rules));
    }

    /// <summary>The one error of a text, as the log would show it.</summary>
    public static string Error(string text, bool strict = false) => Assert.Single(Errors(text, strict));

    public static IReadOnlyList<string> Errors(string text, bool strict = false) =>
        [.. Yaml(text, strict).Issues.Where(static i => i.Severity == IssueSeverity.Error).Select(static i => i.ToString())];

    /// <summary>A VirtualService whose first route starts on line 7.</summary>
    public static string Route(string route) => $"""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {"{"} name: r, namespace: prod {"}"}
        spec:
          hosts: [ reviews ]
          http:
          - {route.ReplaceLineEndings("\n    ")}
        """;

    public static string Destination(string spec) => $"""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {"{"} name: d, namespace: prod {"}"}
        spec:
          host: reviews
          {spec.ReplaceLineEndings("\n  ")}
        """;

    public static string Entry(string spec) => $"""
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {"{"} name: e, namespace: prod {"}"}
        spec:
          {spec.ReplaceLineEndings("\n  ")}
        """;

    public static IConfigurationRoot Json(string json) =>
        new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build();

    /// <summary>The first batch of the configuration's rule source.</summary>
    public static RuleBatch Configuration(string json, bool strict = false)
    {
        var options = new MeshOptions();
        options.Config.Strict = strict;
        RuleBatch? first = null;
        _ = new ConfigurationRuleSource(Json(json), options).WatchAsync(batch => first = batch, new CancellationToken(true));
        return first!;
    }
}
