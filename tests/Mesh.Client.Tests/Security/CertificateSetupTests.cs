using Mesh.Discovery;
using Mesh.Discovery.Security;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Mesh.Client.Tests.Security;

public sealed class CertificateSetupTests
{
    [Fact]
    public async Task Start_DevelopmentSource_HasAnIdentityBeforeAnythingElseStarts()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-authority-");
        await using (var mesh = await TestMesh.StartAsync(Security($$"""
            "Source": "Development", "Development": { "Path": "{{directory.FullName.Replace("\\", "/", StringComparison.Ordinal)}}/a" }
            """)))
        {
            var set = mesh.Services.GetRequiredService<MeshCertificates>().Current!.Set;

            Assert.Equal("spiffe://cluster.local/ns/default/sa/caller", set.Id.ToString());
            Assert.Null(OwnCertificate.ProblemOf(set, mesh.Time));
            Assert.Equal(HealthStatus.Healthy, (await HealthAsync(mesh)).Status);
        }

        directory.Delete(recursive: true);
    }

    [Theory]
    [InlineData("\"Source\": \"Files\"", "Mesh:Security:Certificates:Files:Roots: is not set")]
    [InlineData("\"Source\": \"Vault\"", "'Vault' is not known; allowed are Development, Files, Consul")]
    [InlineData("\"Source\": \"Consule\"", "did you mean 'Consul'?")]
    public async Task Start_SourceThatCannotBe_StopsTheHostWithTheReason(string certificates, string problem)
    {
        var exception = await Assert.ThrowsAsync<MeshConfigurationException>(() => TestMesh.StartAsync(Security(certificates)));

        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_CertificateHasExpired_IsDegraded()
    {
        var source = new TestCertificateSource();
        var authority = new TestAuthority(now: new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero));
        source.Publish(authority.Set("caller", lifetime: TimeSpan.FromHours(1)));
        await using var mesh = await TestMesh.StartAsync(
            Security("\"Source\": \"Test\""), builder => builder.Services.AddSingleton<ICertificateSource>(source));
        Assert.Equal(HealthStatus.Healthy, (await HealthAsync(mesh)).Status);

        mesh.Time.Advance(TimeSpan.FromHours(2));
        var health = await HealthAsync(mesh);

        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Equal("The certificate of this process has expired at 2030-01-02 04:04:05Z.", health.Entries["mesh"].Description);
    }

    private static string Security(string certificates) =>
        TestMesh.Reviews($$""" "Security": { "Certificates": { {{certificates}} } } """);

    private static Task<HealthReport> HealthAsync(TestMesh mesh) =>
        mesh.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken);
}
