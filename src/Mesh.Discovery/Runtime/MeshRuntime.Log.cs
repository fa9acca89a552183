using Mesh.Discovery.Rules;
using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Runtime;

internal sealed partial class MeshRuntime
{
    private static partial class Log
    {
        [LoggerMessage(102, LogLevel.Error, "Rule refused; its last good version, if there is one, stays in use. {Issue}")]
        public static partial void RuleRefused(ILogger logger, RuleIssue issue);

        [LoggerMessage(103, LogLevel.Warning, "Rule warning. {Issue}")]
        public static partial void RuleWarning(ILogger logger, RuleIssue issue);

        [LoggerMessage(104, LogLevel.Information, "All rules are good again and in use.")]
        public static partial void RulesGoodAgain(ILogger logger);

        [LoggerMessage(105, LogLevel.Information, "First view of catalog {Catalog} is here; the mesh knows {Services} services.")]
        public static partial void CatalogSynced(ILogger logger, string catalog, int services);

        [LoggerMessage(106, LogLevel.Information, "No catalog knows instances of {Service}, which this process is one of. Until one does, ZoneAware has no effect and Aperture places the process by its id.")]
        public static partial void NoPeers(ILogger logger, string service);
    }
}
