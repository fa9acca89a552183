using Polly;

namespace Mesh.Client.Resilience;

/// <summary>A resilience pipeline that the application has registered, and how it is made.</summary>
internal sealed record ApplicationPipeline(string Name, Action<ResiliencePipelineBuilder<HttpResponseMessage>, IServiceProvider> Configure);
