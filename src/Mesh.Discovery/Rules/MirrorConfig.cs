namespace Mesh.Discovery.Rules;

/// <summary>Where copies of requests go (Istio: HTTPMirrorPolicy).</summary>
internal sealed record MirrorConfig(string Host, string? Subset, int? Port, Share Share, SourceLocation Location);
