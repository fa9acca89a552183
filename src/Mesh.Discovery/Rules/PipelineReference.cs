namespace Mesh.Discovery.Rules;

/// <summary>Names a resilience pipeline that the application has registered.</summary>
internal sealed record PipelineReference(string Name, SourceLocation Location);
