using Mesh.Discovery;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Registration;

internal sealed partial class RegistrationService
{
    private static partial class Log
    {
        [LoggerMessage(2001, LogLevel.Information, "Registered {Service} at {Address} with labels [{Labels}] in catalog {Catalog} as {Id}.")]
        public static partial void Registered(
            ILogger logger, ServiceName service, Uri address, string labels, string catalog, string id);

        [LoggerMessage(2002, LogLevel.Error, "Registering {Service} in catalog {Catalog} failed: others cannot find this process. Next try in about {Pause}.")]
        public static partial void RegistrationFailed(
            ILogger logger, ServiceName service, string catalog, TimeSpan pause, Exception exception);

        [LoggerMessage(2003, LogLevel.Debug, "None of the catalogs takes registrations.")]
        public static partial void NoRegistry(ILogger logger);

        [LoggerMessage(2004, LogLevel.Warning, "The server listens on no TCP address: the process is not registered. Mesh:Advertise can name its address.")]
        public static partial void NoAddress(ILogger logger);

        [LoggerMessage(2005, LogLevel.Warning, "Registering {Address}, which processes on other machines cannot reach. Listen on another address, or name one in Mesh:Advertise.")]
        public static partial void LoopbackOnly(ILogger logger, Uri address);

        [LoggerMessage(2006, LogLevel.Warning, "There is no certificate yet: the process is registered in catalog {Catalog} when there is one.")]
        public static partial void WaitsForCertificate(ILogger logger, string catalog);

        [LoggerMessage(2010, LogLevel.Information, "Leaving: the readiness endpoint now answers 503.")]
        public static partial void NotReady(ILogger logger);

        [LoggerMessage(2011, LogLevel.Information, "Leaving: withdrawn from the catalog.")]
        public static partial void Withdrawn(ILogger logger);

        [LoggerMessage(2012, LogLevel.Error, "Leaving: withdrawing the registration failed. Callers see it once the catalog notices that the process is gone.")]
        public static partial void WithdrawFailed(ILogger logger, Exception exception);

        [LoggerMessage(2013, LogLevel.Information, "Leaving: serving for another {Delay}, so that callers see it first. A second signal skips that.")]
        public static partial void ServesOn(ILogger logger, TimeSpan delay);

        [LoggerMessage(2014, LogLevel.Information, "Leaving: the rest of the delay is skipped.")]
        public static partial void DelaySkipped(ILogger logger);

        [LoggerMessage(2015, LogLevel.Information, "Leaving: the server stops, and waits for requests in flight.")]
        public static partial void ServerStops(ILogger logger);
    }
}
