using Mesh.Client;
using Mesh.Client.Resilience;
using Polly;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds resilience pipelines of the application's own, made of Polly's strategies, to the mesh.</summary>
public static class MeshResilienceBuilderExtensions
{
    /// <summary>
    /// Registers a pipeline that rules attach by its name: <c>ResiliencePipeline</c> of a destination puts it around each attempt,
    /// <c>ResiliencePipeline</c> of a route around the whole request with all its attempts.
    /// </summary>
    /// <param name="builder">What <c>AddServiceMesh</c> returns.</param>
    /// <param name="name">The name, in any case. A name that is registered twice keeps the host from starting.</param>
    /// <param name="configure">
    /// Adds the strategies. Called once for each destination or service that the pipeline is attached to, at its first request; so
    /// each has breakers and limiters of its own, which live on when rules change. The builder has the mesh's clock and a name.
    /// </param>
    /// <returns>The same builder.</returns>
    /// <remarks>
    /// What the pipeline throws by itself reaches the caller as the inner exception of a <see cref="PipelineRejectedException"/>, which
    /// is an <see cref="HttpRequestException"/>. A rule that names a pipeline nobody has registered is refused.
    /// </remarks>
    public static IMeshBuilder AddResiliencePipeline(
        this IMeshBuilder builder, string name, Action<ResiliencePipelineBuilder<HttpResponseMessage>> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return builder.AddResiliencePipeline(name, (pipeline, _) => configure(pipeline));
    }

    /// <summary>As the other one, for strategies that need services of the application.</summary>
    /// <param name="builder">What <c>AddServiceMesh</c> returns.</param>
    /// <param name="name">The name, in any case. A name that is registered twice keeps the host from starting.</param>
    /// <param name="configure">Adds the strategies; the second argument is the application's root container.</param>
    /// <returns>The same builder.</returns>
    public static IMeshBuilder AddResiliencePipeline(
        this IMeshBuilder builder, string name, Action<ResiliencePipelineBuilder<HttpResponseMessage>, IServiceProvider> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(configure);
        builder.Services.AddSingleton(new ApplicationPipeline(name, configure));
        return builder;
    }
}
