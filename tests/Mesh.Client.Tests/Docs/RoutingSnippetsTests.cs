using System.Net;
using Mesh.Client.Transport;
using Mesh.Discovery;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Client.Tests.Docs;

/// <summary>The code of docs/routing.md does what the page says.</summary>
public sealed class RoutingSnippetsTests
{
    [Fact]
    public async Task MeshAll_OneClientOptsOut_OthersAreMeshed()
    {
        using var host = Start(RoutingSnippets.MeshAll);
        var clients = host.Services.GetRequiredService<IHttpClientFactory>();

        Assert.Equal("10.0.0.1", await TextAsync(clients.CreateClient()));
        Assert.Equal("10.0.0.1", await TextAsync(clients.CreateClient("any")));
        Assert.Equal(Timeout.InfiniteTimeSpan, clients.CreateClient("any").Timeout);
        Assert.Equal("its own", await TextAsync(clients.CreateClient("metadata")));
        Assert.NotEqual(Timeout.InfiniteTimeSpan, clients.CreateClient("metadata").Timeout);
    }

    [Fact]
    public async Task MeshOne_TheOneClient_IsMeshedAlone()
    {
        using var host = Start(RoutingSnippets.MeshOne);
        var clients = host.Services.GetRequiredService<IHttpClientFactory>();

        Assert.Equal("10.0.0.1", await TextAsync(clients.CreateClient("reviews")));
        Assert.Equal("its own", await TextAsync(clients.CreateClient("other")));
    }

    [Fact]
    public void ChangeInCode_OverConfiguration_Wins()
    {
        using var host = Start(RoutingSnippets.ChangeInCode, ("Mesh:Outbound:Timeout", "20s"));
        var outbound = host.Services.GetRequiredService<MeshOptions>().Outbound;

        Assert.Equal(TimeSpan.FromSeconds(10), outbound.Timeout);
        Assert.Equal(1, outbound.RetryAttempts);
    }

    [Theory]
    [InlineData("http://10.0.0.1", "10.0.0.1")]
    [InlineData("http://10.0.0.1:500", "The call failed, after all retries: InternalServerError")]
    [InlineData("http://10.0.0.1:1", "The reviews take too long.")]
    [InlineData(null, "Nobody answers for reviews.default.")]
    public async Task Reviews_WhateverHappens_IsTold(string? address, string expected)
    {
        using var host = address is null
            ? Start(
                RoutingSnippets.MeshAll,
                ("Mesh:Routes:reviews:0:Route:0:Weight", "1"),
                ("Mesh:Outbound:FirstViewTimeout", "10ms"))
            : Start(
                RoutingSnippets.MeshAll,
                ("Mesh:Services:reviews:Endpoints:0:Address", address),
                ("Mesh:Outbound:Timeout", "50ms"),
                ("Mesh:Outbound:RetryAttempts", "0"));
        var client = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient();

        Assert.Equal(expected, await RoutingSnippets.ReviewsAsync(client, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Reviews_NoRouteMatches_IsRefused()
    {
        using var host = Start(
            RoutingSnippets.MeshAll,
            ("Mesh:Routes:reviews:0:Match:0:Method:Exact", "PUT"),
            ("Mesh:Routes:reviews:0:Route:0:Weight", "1"));
        var client = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient();

        var told = await RoutingSnippets.ReviewsAsync(client, TestContext.Current.CancellationToken);

        Assert.StartsWith("The mesh refused the call: GET http://reviews/reviews/0: none of the 1 routes", told);
    }

    private static Task<string> TextAsync(HttpClient client) =>
        client.GetStringAsync("http://reviews/", TestContext.Current.CancellationToken);

    private static IHost Start(Action<IHostApplicationBuilder> mesh, params (string Key, string Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        if (settings.Length == 0 || settings[0].Key.Contains(":Match:", StringComparison.Ordinal))
        {
            settings = [.. settings, ("Mesh:Services:reviews:Endpoints:0:Address", "http://10.0.0.1")];
        }

        builder.Configuration.AddInMemoryCollection(
            settings.Append((Key: "Mesh:Discovery:Providers:0", Value: "Configuration"))
                .Select(static one => KeyValuePair.Create(one.Key, (string?)one.Value)));
        builder.Services.AddSingleton<IEndpointHandlerFactory>(new AddressTeller());
        builder.Services.ConfigureHttpClientDefaults(static client =>
            client.ConfigurePrimaryHttpMessageHandler(static () => new Answering("its own", HttpStatusCode.OK)));
        mesh(builder);
        var host = builder.Build();
        host.Start();
        return host;
    }

    /// <summary>Endpoints without a network: they tell their host, fail on port 500, never answer on port 1.</summary>
    private sealed class AddressTeller : IEndpointHandlerFactory
    {
        public HttpMessageHandler Create(Endpoint endpoint) => endpoint.Address.Port == 1
            ? new Silent()
            : new Answering(
                endpoint.Address.Host,
                endpoint.Address.Port == 500 ? HttpStatusCode.InternalServerError : HttpStatusCode.OK);
    }

    private sealed class Answering(string text, HttpStatusCode status) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(status) { Content = new StringContent(text) });
    }

    private sealed class Silent : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
            throw new InvalidOperationException("Nobody completes that task.");
        }
    }
}
