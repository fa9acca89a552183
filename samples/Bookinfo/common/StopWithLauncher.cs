using Bookinfo;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

[assembly: HostingStartup(typeof(StopWithLauncher))]

namespace Bookinfo;

/// <summary>
/// Ends a service when the launcher that started it is gone, however it went. The launcher holds the other end of the
/// service's standard input and never writes to it: end of file means that there is no launcher any more. ASP.NET Core
/// loads this because the launcher sets <c>ASPNETCORE_HOSTINGSTARTUPASSEMBLIES</c>; a service that is started by hand
/// knows nothing of it.
/// </summary>
public sealed class StopWithLauncher : IHostingStartup
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    public void Configure(IWebHostBuilder builder) =>
        builder.ConfigureServices(services => services.AddHostedService<Watch>());

    private sealed class Watch(IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            new Thread(WaitForEndOfInput) { IsBackground = true, Name = "Launcher watch" }.Start();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        private void WaitForEndOfInput()
        {
            using var input = Console.OpenStandardInput();
            Span<byte> ignored = stackalloc byte[64];
            while (input.Read(ignored) > 0)
            {
            }

            lifetime.StopApplication();
            if (!lifetime.ApplicationStopped.WaitHandle.WaitOne(s_patience))
            {
                Environment.Exit(1);
            }
        }
    }
}
