using System.Net;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Client.Tests.Security;

/// <summary>A meshed caller with an identity, and real connections.</summary>
internal static class SecuredMesh
{
    /// <summary>The present of tests whose time is not real: that of <see cref="TestMesh"/>.</summary>
    public static readonly DateTimeOffset Present = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    public const string NoTimeouts = """ "Outbound": { "Timeout": "0s", "PerTryTimeout": "0s", "IdleTimeout": "0s", "RetryAttempts": 0 } """;

    private const string NoRetries = """ "Outbound": { "RetryAttempts": 0 } """;

    /// <param name="address">Of the only endpoint of <c>reviews</c>.</param>
    /// <param name="source">Certificates; null for none.</param>
    /// <param name="tls">The destination's <c>Tls</c> as JSON.</param>
    /// <param name="speaksMtls">Whether the endpoint says that it speaks mTLS.</param>
    /// <param name="outbound">The section <c>Outbound</c>.</param>
    /// <param name="security">More of <c>Security</c> as JSON.</param>
    /// <param name="fakeTime">Whether time is the test's.</param>
    /// <param name="service">Another name for <c>reviews</c>.</param>
    /// <param name="build">Further services.</param>
    public static Task<TestMesh> StartAsync(
        string address, TestCertificateSource? source, string? tls = null, bool speaksMtls = false, string outbound = NoRetries, string security = "",
        bool fakeTime = false, string service = "reviews", Action<HostApplicationBuilder>? build = null) => TestMesh.StartAsync(
            $$"""
            "Security": { {{(source is null ? "" : """ "Certificates": { "Source": "Test" } """)}}{{(security.Length > 0 ? "," + security : "")}} },
            "Services": { "{{service}}": { "Endpoints": [ { "Address": "{{address}}", "SpeaksMtls": {{(speaksMtls ? "true" : "false")}} } ] } },
            "Destinations": { "{{service}}": { {{(tls is null ? "" : $"\"Tls\": {tls}")}} } },
            {{outbound}}
            """,
            builder =>
            {
                if (source is not null)
                {
                    builder.Services.AddSingleton<ICertificateSource>(source);
                }

                build?.Invoke(builder);
            },
            sockets: true, fakeTime: fakeTime);

    /// <summary>The same with a catalog in the hands of the test.</summary>
    public static Task<TestMesh> StartAsync(ScriptedCatalog catalog, TestCertificateSource source, string outbound = NoRetries) => TestMesh.StartAsync(
        $$"""
        "Security": { "Certificates": { "Source": "Test" } }, "Discovery": { "Providers": [ "Scripted" ] }, {{outbound}}
        """,
        builder =>
        {
            builder.Services.AddSingleton<IEndpointCatalog>(catalog);
            builder.Services.AddSingleton<ICertificateSource>(source);
        },
        sockets: true);

    public static async Task<string> GetAsync(
        this TestMesh mesh, string version = "1.1", HttpVersionPolicy policy = HttpVersionPolicy.RequestVersionExact, string url = "http://reviews/")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, url) { Version = Version.Parse(version), VersionPolicy = policy };
        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Publishes certificates and waits until they are in use.</summary>
    public static void Rotate(this TestMesh mesh, TestCertificateSource source, CertificateSet set)
    {
        var certificates = mesh.Services.GetRequiredService<MeshCertificates>();
        using var isUsed = new ManualResetEventSlim();

        // Told last, after those who make the connections.
        certificates.Changed += Look;
        source.Publish(set);
        Assert.True(isUsed.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        certificates.Changed -= Look;

        void Look()
        {
            if (certificates.Current?.Set == set)
            {
                isUsed.Set();
            }
        }
    }
}
