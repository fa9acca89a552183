using System.Text;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Consul.Tests.Support;

/// <summary>A process that calls others through the mesh, with Consul as its only catalog.</summary>
internal sealed class CallingProcess : IAsyncDisposable
{
    private readonly IHost _host;

    private CallingProcess(IHost host) => _host = host;

    public HttpClient Http { get; private set; } = null!;

    public MeshRuntime Runtime => _host.Services.GetRequiredService<MeshRuntime>();

    public IServiceProvider Services => _host.Services;

    public FakeLogCollector Logs => _host.Services.GetRequiredService<FakeLogCollector>();

    /// <param name="agent">The agent.</param>
    /// <param name="consul">More of <c>Mesh:Discovery:Consul</c>, without the outer braces.</param>
    /// <param name="mesh">More of <c>Mesh</c>.</param>
    /// <param name="savedViews">Where views are saved; nothing by default.</param>
    /// <param name="service">The process's own service.</param>
    public static async Task<CallingProcess> StartAsync(
        Uri agent, string consul = "", string mesh = "", string savedViews = "none", string service = "caller")
    {
        var builder = new HostApplicationBuilder(
            new HostApplicationBuilderSettings { DisableDefaults = true, ApplicationName = service });
        var json = $$"""
            { "Mesh": {
                "Discovery": {
                  "Providers": [ "Consul" ],
                  "Consul": { "Address": "{{agent}}", "SavedViewPath": "{{savedViews}}"{{Join(consul)}} } }{{Join(mesh)}} } }
            """;
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddFakeLogging();
        builder.AddServiceMesh();
        var host = builder.Build();
        try
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
        }
        catch
        {
            host.Dispose();
            throw;
        }

        return new CallingProcess(host) { Http = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient("") };

        static string Join(string more) => more.Length > 0 ? ", " + more : "";
    }

    /// <summary>The answer's text; the name of the instance, of an <see cref="Instance"/>.</summary>
    public Task<string> GetAsync(string url) => Http.GetStringAsync(url, TestContext.Current.CancellationToken);

    /// <summary>Calls until the answer is as wanted; fails after a minute with what was answered last.</summary>
    public async Task<string> GetUntilAsync(string url, Func<string, bool> wanted, Func<string>? describe = null)
    {
        var last = "";
        await Wait.UntilAsync(async () =>
        {
            try
            {
                last = await GetAsync(url);
            }
            catch (HttpRequestException e)
            {
                last = e.Message;
            }

            return wanted(last);
        }, () => $"last answer of {url}: {last}\n{describe?.Invoke()}");
        return last;
    }

    public string LogText() => string.Join('\n', Logs.GetSnapshot().Select(static record =>
        $"{record.Level} {record.Message}{(record.Exception is { } e ? " " + e : "")}"));

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}
