using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Polly;

namespace Mesh.Client.Tests.Docs;

/// <summary>What docs/resilience.md shows in C#, word for word. It may use public API only.</summary>
internal static class ResilienceSnippets
{
    public static void OwnPipeline(IHostApplicationBuilder builder)
    {
        builder.AddServiceMesh().AddResiliencePipeline("slow-partner", pipeline => pipeline
            .AddConcurrencyLimiter(permitLimit: 20, queueLimit: 50)
            .AddTimeout(TimeSpan.FromSeconds(3)));
    }
}
