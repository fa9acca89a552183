using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Benchmarks.Simulation;

/// <summary>
/// The endpoints of <see cref="LiveRun"/>: one process, a port each, the service times of <see cref="EndpointModel"/>.
/// </summary>
/// <remarks>
/// Prints its addresses, then obeys lines on standard input until that ends: <c>takes MS</c> makes each request to the
/// first port take so long (0: as the others), <c>attempts</c> prints how many requests came.
/// </remarks>
internal static class LiveServer
{
    public const string Verb = "simulate-server";

    public static async Task<int> RunAsync(int endpoints, int seed)
    {
        var model = new EndpointModel();
        var random = new SeededRandom(seed);
        var gate = new Lock();
        var attempts = 0;
        var slowPort = 0;
        var takes = TimeSpan.Zero;

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls([.. Enumerable.Repeat("http://127.0.0.1:0", endpoints)]);
        var app = builder.Build();
        app.Run(async context =>
        {
            Interlocked.Increment(ref attempts);
            TimeSpan time;
            lock (gate)
            {
                time = takes > TimeSpan.Zero && context.Connection.LocalPort == slowPort ? takes : model.Floor + random.NextTime(model.Tail);
            }

            try
            {
                await Task.Delay(time, TimeProvider.System, context.RequestAborted);
                await context.Response.WriteAsync("ok");
            }
            catch (OperationCanceledException)
            {
                // The caller gave up.
            }
        });
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        slowPort = new Uri(addresses.First()).Port;
        Console.WriteLine(string.Join(' ', addresses));
        while (await Console.In.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("takes ", StringComparison.Ordinal))
            {
                lock (gate)
                {
                    takes = TimeSpan.FromMilliseconds(double.Parse(line.AsSpan(6), CultureInfo.InvariantCulture));
                }
            }
            else
            {
                Console.WriteLine(Volatile.Read(ref attempts));
            }
        }

        await app.StopAsync();
        return 0;
    }
}
