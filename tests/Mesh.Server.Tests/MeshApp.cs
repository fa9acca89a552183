using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Server.Tests;

/// <summary>A meshed web application on real Kestrel, with a catalog and a clock that the test controls.</summary>
internal sealed class MeshApp : IAsyncDisposable
{
    private MeshApp(WebApplication app, FakeCatalog catalog, FakeTimeProvider time)
    {
        App = app;
        Catalog = catalog;
        Time = time;
    }

    public WebApplication App { get; }
    public FakeCatalog Catalog { get; }
    public FakeTimeProvider Time { get; }
    public HttpClient Client { get; private set; } = null!;
    public FakeLogCollector Logs => App.Services.GetRequiredService<FakeLogCollector>();

    /// <summary>Done when a request to <c>/gated</c> has arrived, which is answered once <see cref="Gate"/> is open.</summary>
    public TaskCompletionSource Arrived { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public static async Task<MeshApp> StartAsync(
        Action<MeshOptions>? configure = null,
        Action<WebApplicationBuilder>? build = null,
        FakeCatalog? catalog = null,
        string urls = "http://127.0.0.1:0",
        Action<WebApplicationBuilder>? afterMesh = null)
    {
        var mesh = Build(configure, build, catalog, urls, afterMesh);
        try
        {
            await mesh.App.StartAsync();
            mesh.Client = new HttpClient { BaseAddress = new Uri(mesh.App.Urls.FirstOrDefault("http://none")) };
            return mesh;
        }
        catch
        {
            await mesh.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Gate.TrySetResult();
        Client?.Dispose();
        await App.DisposeAsync();
    }

    /// <summary>Lets fake time pass until the task is done.</summary>
    public async Task AdvanceUntil(Task task)
    {
        while (!task.IsCompleted)
        {
            Time.Advance(TimeSpan.FromMilliseconds(250));
            await Task.WhenAny(task, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System));
        }

        await task;
    }

    /// <summary>Waits for a log line that starts like this.</summary>
    public async Task<string> LogLine(string start)
    {
        while (true)
        {
            if (Logs.GetSnapshot().FirstOrDefault(log => log.Message.StartsWith(start, StringComparison.Ordinal)) is { } log)
            {
                return log.Message;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    private static MeshApp Build(
        Action<MeshOptions>? configure, Action<WebApplicationBuilder>? build, FakeCatalog? catalog, string urls, Action<WebApplicationBuilder>? afterMesh)
    {
        catalog ??= new FakeCatalog();
        var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls(urls);
        builder.Logging.ClearProviders().SetMinimumLevel(LogLevel.Debug).AddFakeLogging();
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.Services.AddSingleton<IEndpointCatalog>(catalog);
        build?.Invoke(builder);
        builder.AddServiceMesh(options =>
        {
            options.Service = "reviews";
            options.Namespace = "prod";
            options.Labels["version"] = "v2";
            options.Discovery.Providers.Add(catalog.Name);
            configure?.Invoke(options);
        });

        afterMesh?.Invoke(builder);
        var mesh = new MeshApp(builder.Build(), catalog, time);
        mesh.App.MapGet("/", static () => "hello");
        mesh.App.MapGet("/mesh/other", static () => "the application's own");
        mesh.App.MapGet("/gated", mesh.AnswerGated);
        return mesh;
    }

    private async Task AnswerGated(HttpContext context)
    {
        Arrived.TrySetResult();
        await Gate.Task.WaitAsync(context.RequestAborted);
        await context.Response.WriteAsync("late");
    }
}
