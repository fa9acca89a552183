using Mesh.Client.Pipeline;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Logging;

namespace Mesh.Client.Http;

/// <summary>Puts the mesh innermost into the chain of every meshed client.</summary>
/// <remarks>
/// Innermost, so that the application's own handlers (authentication, logging) see one logical request. Microsoft's
/// resilience and discovery handlers on the same client are taken out, with a warning: their retries would multiply with
/// ours (measured: 2 and 3 make 12 calls), and their discovery would rewrite the host before we see it.
/// </remarks>
internal sealed partial class MeshHandlerFilter(IServiceProvider services, MeshedClients meshed, ILogger<MeshHandlerFilter> logger)
    : IHttpMessageHandlerBuilderFilter
{
    /// <summary>By name, since they are in packages that we do not depend on; with the namespace, since an application may have its own.</summary>
    private static readonly string[] s_replaced =
    [
        "Microsoft.Extensions.Http.Resilience.ResilienceHandler",
        "Microsoft.Extensions.ServiceDiscovery.Http.ResolvingHttpDelegatingHandler",
    ];

    public Action<HttpMessageHandlerBuilder> Configure(Action<HttpMessageHandlerBuilder> next) => builder =>
    {
        next(builder);
        if (!meshed.Contains(builder.Name))
        {
            return;
        }

        for (var i = builder.AdditionalHandlers.Count - 1; i >= 0; i--)
        {
            var type = builder.AdditionalHandlers[i].GetType();
            if (s_replaced.Contains(type.FullName))
            {
                builder.AdditionalHandlers.RemoveAt(i);
                Log.Replaced(logger, builder.Name ?? "", type.Name);
            }
        }

        // Not before the first client is made: the pipeline needs everything, and somebody may only want to opt out.
        builder.PrimaryHandler = new MeshHandler(services.GetRequiredService<MeshPipeline>(), builder.PrimaryHandler);
    };

    private static partial class Log
    {
        [LoggerMessage(203, LogLevel.Warning, "The client '{Client}' is meshed, so its {Handler} was taken out: retries and discovery would happen twice. Remove it, or take the client out of the mesh with WithoutServiceMesh().")]
        public static partial void Replaced(ILogger logger, string client, string handler);
    }
}
