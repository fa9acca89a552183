using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Consul.Tests.Security;

/// <summary>Certificates of a real Consul CA.</summary>
public sealed class ConsulCertificateTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Consul")]
    [InlineData("Configuration")]
    public async Task Identity_IsThatOfConsul_WhereverEndpointsComeFrom(string provider)
    {
        var views = Directory.CreateTempSubdirectory("mesh-views-");
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using (var web = await StartAsync(agent, "web", provider, views.FullName))
        using (var api = await StartAsync(agent, "api", provider))
        {
            var (one, other) = (await CertificateOf(web), await CertificateOf(api));

            var roots = await agent.GetAsync("/v1/connect/ca/roots");
            var domain = roots["TrustDomain"]!.GetValue<string>();
            Assert.Equal($"spiffe://{domain}/ns/default/dc/dc1/svc/web", one.Set.Id.ToString());
            Assert.Equal([domain], one.Set.Bundles.Select(static bundle => bundle.TrustDomain));
            Assert.Null(OwnCertificate.ProblemOf(one.Set, TimeProvider.System));
            Assert.Equal("api", Verify(one, other.Set).Id?.ConsulService);
            Assert.Equal("web", Verify(other, one.Set).Id?.ConsulService);
            var health = await web.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancel);
            Assert.Equal(HealthStatus.Healthy, health.Status);
            Assert.DoesNotContain(Logs(web), static log => log.Level >= LogLevel.Warning || log.Message.Contains("PRIVATE", StringComparison.Ordinal));
        }

        // What is saved when the connection is closed holds no certificate, and above all no key.
        Assert.DoesNotContain(
            views.EnumerateFiles("*", SearchOption.AllDirectories), static file => File.ReadAllText(file.FullName).Contains("connect/ca", StringComparison.Ordinal));
        views.Delete(recursive: true);
    }

    [Fact]
    public async Task Root_Rotates_BothAreTrustedAtOnceAndCertificatesOfEachAreGood()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var web = await StartAsync(agent, "web");
        var before = await CertificateOf(web);
        var old = Assert.Single(before.Set.Bundles[0].Roots);

        using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
        {
            var config = new JsonObject { ["LeafCertTTL"] = "72h", ["PrivateKey"] = key.ExportECPrivateKeyPem() };
            await agent.PutAsync("/v1/connect/ca/configuration", new JsonObject { ["Provider"] = "consul", ["Config"] = config }.ToJsonString());
        }

        await Wait.UntilAsync(() => Current(web)!.Set.Bundles[0].Roots.Count == 2, () => Text(web));

        // A process that starts now has a certificate of the new root; the agent may take its time to renew that of the other one.
        using var api = await StartAsync(agent, "api");
        var (one, other) = (Current(web)!, await CertificateOf(api));
        Assert.Contains(old.RawData, one.Set.Bundles[0].Roots.Select(static root => root.RawData));
        Assert.Equal(2, other.Set.Bundles[0].Roots.Count);
        Assert.NotEqual(old.Subject, other.Set.Leaf.Issuer);
        Assert.Equal("api", Verify(one, other.Set).Id?.ConsulService);
        Assert.Equal("web", Verify(other, before.Set).Id?.ConsulService);

        // One that has not heard of the new root yet believes the cross-signed intermediate.
        Assert.Single(other.Set.Intermediates);
        Assert.Equal("api", Verify(before, other.Set).Id?.ConsulService);
    }

    [Fact]
    public async Task Token_LacksTheRight_IsToldAndComesWithIt()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = Guid.NewGuid().ToString() }, Cancel);
        var (token, policy) = await Acl.CreateAsync(agent, """service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }""");
        using var web = await StartAsync(agent, "web", token: token);
        await Wait.UntilAsync(
            () => Logs(web).Any(static log => log.Level == LogLevel.Error
                && log.Message.Contains("needs the right service \"web\" { policy = \"write\" }", StringComparison.Ordinal)),
            () => Text(web));
        Assert.Null(Current(web));
        var health = await web.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Cancel);
        Assert.Equal(HealthStatus.Degraded, health.Status);

        await Acl.SetRulesAsync(agent, policy, Acl.Documented("web"));

        Assert.Equal("web", (await CertificateOf(web)).Set.Id.ConsulService);
    }

    [Fact]
    public async Task Connect_IsOff_IsTold()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { Configuration = """{ "connect": { "enabled": false } }""" }, Cancel);
        using var web = await StartAsync(agent, "web");

        await Wait.UntilAsync(
            () => Logs(web).Any(static log => log.Level == LogLevel.Error
                && log.Message.Contains("Set connect { enabled = true }", StringComparison.Ordinal)),
            () => Text(web));
        Assert.Null(Current(web));
    }

    [Fact]
    public async Task Agent_LosesItsData_TheNewTrustDomainIsFollowed()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var web = await StartAsync(agent, "web");
        var before = await CertificateOf(web);

        await agent.RestartAsync(keepData: false, Cancel);
        await Wait.UntilAsync(() => Current(web)!.Set.Id != before.Set.Id, () => Text(web));

        var after = Current(web)!.Set;
        Assert.Equal("web", after.Id.ConsulService);
        Assert.Null(OwnCertificate.ProblemOf(after, TimeProvider.System));
    }

    private static async Task<IHost> StartAsync(
        ConsulAgent agent, string service, string provider = "Configuration", string savedViews = "none", string token = "")
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true, ApplicationName = service });
        builder.Configuration.AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes($$"""
            { "Mesh": {
                "Discovery": { "Providers": [ "{{provider}}" ], "Consul": { "Address": "{{agent.Address}}", "SavedViewPath": "{{savedViews}}", "Token": "{{token}}" } },
                "Outbound": { "FirstViewTimeout": "1s" },
                "Security": { "Certificates": { "Source": "Consul" } } } }
            """)));
        builder.Logging.SetMinimumLevel(LogLevel.Information).AddFakeLogging();
        builder.AddServiceMesh();
        var host = builder.Build();
        try
        {
            await host.StartAsync(Cancel);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    private static PeerTrust? Current(IHost host) => host.Services.GetRequiredService<MeshCertificates>().Current;

    private static async Task<PeerTrust> CertificateOf(IHost host)
    {
        await Wait.UntilAsync(() => Current(host) is not null, () => Text(host));
        return Current(host)!;
    }

    private static IReadOnlyList<FakeLogRecord> Logs(IHost host) => host.Services.GetRequiredService<FakeLogCollector>().GetSnapshot();

    private static string Text(IHost host) => string.Join('\n', Logs(host).Select(static log => log.Message));

    private static PeerVerdict Verify(PeerTrust trust, CertificateSet shown)
    {
        using var chain = new X509Chain { ChainPolicy = trust.Verifier.CreatePolicy() };
        chain.ChainPolicy.ExtraStore.AddRange(shown.Intermediates.ToArray());
        var isGood = chain.Build(shown.Leaf);
        return trust.Verifier.Verify(shown.Leaf, chain, isGood ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors);
    }
}
