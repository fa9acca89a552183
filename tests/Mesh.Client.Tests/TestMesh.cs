using System.Text;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests;

/// <summary>A meshed application with a clock and, unless it wants sockets, endpoints that the test controls.</summary>
internal sealed class TestMesh : IAsyncDisposable
{
    private readonly IHost _host;

    private TestMesh(IHost host, ScriptedEndpoints endpoints, FakeTimeProvider time)
    {
        _host = host;
        Endpoints = endpoints;
        Time = time;
    }

    public ScriptedEndpoints Endpoints { get; }

    public FakeTimeProvider Time { get; }

    public IServiceProvider Services => _host.Services;

    public MeshRuntime Runtime => Services.GetRequiredService<MeshRuntime>();

    public FakeLogCollector Logs => Services.GetRequiredService<FakeLogCollector>();

    public HttpClient Http => Client("");

    /// <summary>Attempts in flight, at all endpoints together.</summary>
    public int InFlight => Runtime.Current.Services.Sum(static s => s.Endpoints.Sum(static e => e.InFlight));

    public HttpClient Client(string name) => Services.GetRequiredService<IHttpClientFactory>().CreateClient(name);

    /// <summary>Three endpoints of <c>reviews</c>; more of the section by its JSON, without the outer braces.</summary>
    public static string Reviews(string more = "", int endpoints = 3) =>
        $$"""
        "Services": { "reviews": { "Endpoints": [ {{string.Join(", ",
            Enumerable.Range(1, endpoints).Select(static n => $$"""{ "Address": "http://10.0.0.{{n}}:8080" }"""))}} ] } }
        {{(more.Length > 0 ? "," + more : "")}}
        """;

    /// <param name="section">The section <c>Mesh</c> as JSON, without the outer braces.</param>
    /// <param name="build">Further services.</param>
    /// <param name="sockets">Whether endpoints are real and so is time.</param>
    /// <param name="meshAll">Whether every client is meshed.</param>
    /// <param name="fakeTime">With real endpoints, whether time is the test's nevertheless.</param>
    public static async Task<TestMesh> StartAsync(
        string? section = null, Action<HostApplicationBuilder>? build = null, bool sockets = false, bool meshAll = true, bool fakeTime = false)
    {
        var endpoints = new ScriptedEndpoints();
        var time = new FakeTimeProvider(new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true, ApplicationName = "Caller" });
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Mesh": { {{section ?? Reviews()}} } }""")));
        builder.Logging.SetMinimumLevel(LogLevel.Debug).AddFakeLogging();
        if (!sockets || fakeTime)
        {
            builder.Services.AddSingleton<TimeProvider>(time);
            builder.Services.AddSingleton<IRandomSource>(new HalfRandom());
        }

        if (!sockets)
        {
            builder.Services.AddSingleton<IEndpointHandlerFactory>(endpoints);
        }

        build?.Invoke(builder);
        if (meshAll)
        {
            builder.AddServiceMesh();
        }

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

        return new TestMesh(host, endpoints, time);
    }

    /// <summary>Lets fake time pass until the task is done, whatever its end.</summary>
    public async Task<T> Finish<T>(Task<T> task, double stepMs = 25)
    {
        while (!task.IsCompleted)
        {
            Time.Advance(TimeSpan.FromMilliseconds(stepMs));
            await Task.WhenAny(task, Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System));
        }

        return await task;
    }

    public Task<HttpResponseMessage> Get(string url = "http://reviews/") => Finish(Http.GetAsync(url));

    public Task<HttpResponseMessage> Post(HttpContent? content = null) =>
        Finish(Http.PostAsync("http://reviews/", content ?? new StringContent("body")));

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        _host.Dispose();
    }

    /// <summary>Every pause is half of what it may be; draws are as random as ever, but the same each time.</summary>
    private sealed class HalfRandom : IRandomSource
    {
        private readonly Random _random = new(1);

        public int Next(int maxExclusive)
        {
            lock (_random)
            {
                return _random.Next(maxExclusive);
            }
        }

        public double NextDouble() => 0.5;
    }
}
