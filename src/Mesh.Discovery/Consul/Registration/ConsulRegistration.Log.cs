using Microsoft.Extensions.Logging;

namespace Mesh.Discovery.Consul.Registration;

internal sealed partial class ConsulRegistration
{
    private static partial class Log
    {
        [LoggerMessage(EventId = 1150, Level = LogLevel.Warning, Message =
            "Consul at {Agent} lost {Service} ({Id}), or its check: it is registered again.")]
        public static partial void Lost(ILogger logger, string agent, ServiceName service, string id);

        [LoggerMessage(EventId = 1151, Level = LogLevel.Information, Message =
            "{Service} is registered in Consul at {Agent} again ({Id}).")]
        public static partial void Restored(ILogger logger, ServiceName service, string agent, string id);

        [LoggerMessage(EventId = 1152, Level = LogLevel.Warning, Message =
            "Consul at {Agent} cannot be asked for {Service} ({Id}); it is asked again and again.")]
        public static partial void OutOfReach(ILogger logger, string agent, ServiceName service, string id, Exception exception);

        [LoggerMessage(EventId = 1153, Level = LogLevel.Error, Message =
            "Consul at {Agent} does not keep {Service} ({Id}) registered: others may stop finding this process. "
            + "It is tried again and again.")]
        public static partial void Failed(ILogger logger, string agent, ServiceName service, string id, Exception exception);

        [LoggerMessage(EventId = 1154, Level = LogLevel.Information, Message =
            "Consul at {Agent} answers for {Service} again ({Id}).")]
        public static partial void Recovered(ILogger logger, string agent, ServiceName service, string id);

        [LoggerMessage(EventId = 1155, Level = LogLevel.Information, Message =
            "{Service} ({Id}) reports to Consul itself (Ttl in place of {Type}): its port is STRICT, and the agent has no certificate of the mesh.")]
        public static partial void Reports(ILogger logger, ServiceName service, string id, ConsulCheckType type);
    }
}
