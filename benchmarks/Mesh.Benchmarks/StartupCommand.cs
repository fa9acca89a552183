using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Benchmarks;

/// <summary>
/// <c>startup --json</c>: what <c>AddServiceMesh()</c> adds to the start of a web application: until it listens, and until
/// it has answered a first request for which it calls itself.
/// </summary>
/// <remarks>Both kinds are started in turn as processes of their own; the figures are medians.</remarks>
internal static class StartupCommand
{
    private const int Runs = 15;

    public static async Task<int> RunAsync()
    {
        var samples = new Dictionary<string, List<(double Listening, double First)>> { ["bare"] = [], ["mesh"] = [] };
        for (var run = 0; run <= Runs; run++)
        {
            foreach (var (kind, values) in samples)
            {
                var sample = await StartAsync(kind);
                if (run > 0)
                {
                    values.Add(sample);
                }
            }
        }

        var json = new JsonObject();
        foreach (var (kind, values) in samples)
        {
            json[kind] = new JsonObject
            {
                ["listening_ms"] = Math.Round(PipelineCommand.Median(values.Select(static v => v.Listening)), 1),
                ["first_request_ms"] = Math.Round(PipelineCommand.Median(values.Select(static v => v.First)), 1),
            };
        }

        json["listening_added_ms"] = Math.Round((double)json["mesh"]!["listening_ms"]! - (double)json["bare"]!["listening_ms"]!, 1);
        json["first_request_added_ms"] = Math.Round((double)json["mesh"]!["first_request_ms"]! - (double)json["bare"]!["first_request_ms"]!, 1);
        Console.WriteLine(json.ToJsonString());
        return 0;
    }

    /// <summary>The process that is started: says when it listens, calls itself, says when that is done, and ends.</summary>
    public static async Task<int> RunServerAsync(string kind)
    {
        var builder = WebApplication.CreateBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddHttpClient();
        if (kind == "mesh")
        {
            builder.Configuration.AddInMemoryCollection(
                [KeyValuePair.Create("Mesh:Drain:Delay", (string?)"0s"), KeyValuePair.Create("Mesh:Services:self:Endpoints:0:Address", (string?)"http://127.0.0.1:1")]);
            builder.AddServiceMesh();
        }

        var app = builder.Build();
        app.MapGet("/", () => "hello");
        await app.StartAsync();
        Console.WriteLine("listening");
        using var client = app.Services.GetRequiredService<IHttpClientFactory>().CreateClient();
        await client.GetStringAsync(app.Urls.First());
        Console.WriteLine("answered");
        await app.StopAsync();
        return 0;
    }

    private static async Task<(double Listening, double First)> StartAsync(string kind)
    {
        var watch = Stopwatch.StartNew();
        using var process = SelfProcess.Start("startup-server", kind);
        await process.StandardOutput.ReadLineAsync();
        var listening = watch.Elapsed.TotalMilliseconds;
        await process.StandardOutput.ReadLineAsync();
        var first = watch.Elapsed.TotalMilliseconds;
        await process.WaitForExitAsync();
        return (listening, first);
    }
}
