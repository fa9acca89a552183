using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Consul.Tests;

public sealed class ConsulAgentTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task StartAsync_TwoAgents_EachAnswersWithItsOwnState()
    {
        await using var one = await ConsulAgent.StartAsync();
        await using var other = await ConsulAgent.StartAsync(new() { Datacenter = "dc2", NodeName = "other" });

        await PutAsync(one, "one");

        Assert.Equal("one", await GetAsync(one));
        Assert.Null(await GetAsync(other));
        Assert.Contains("\"dc2\"", await other.HttpClient.GetStringAsync("v1/catalog/datacenters"));
        Assert.Contains("\"other\"", await other.HttpClient.GetStringAsync("v1/catalog/nodes"));
    }

    [Fact]
    public async Task KillAsync_NobodyAnswersAndTheProcessIsGone()
    {
        await using var agent = await ConsulAgent.StartAsync();
        var id = agent.ProcessId;

        await agent.KillAsync();

        await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(agent));
        Assert.Throws<ArgumentException>(() => Process.GetProcessById(id));
        Assert.Throws<InvalidOperationException>(() => agent.ProcessId);
    }

    [Fact]
    public async Task RestartAsync_Persistent_KeepsDataOrNotAsAsked()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { Persistent = true });
        var address = agent.Address;
        await PutAsync(agent, "kept");

        await agent.RestartAsync(keepData: true);
        Assert.Equal("kept", await GetAsync(agent));

        await agent.KillAsync();
        await agent.RestartAsync(keepData: false);
        Assert.Null(await GetAsync(agent));
        Assert.Equal(address, agent.Address);
    }

    [Fact]
    public async Task RestartAsync_Development_StartsEmptyAndRefusesToKeep()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await PutAsync(agent, "lost");

        await agent.RestartAsync(keepData: false);

        Assert.Null(await GetAsync(agent));
        await Assert.ThrowsAsync<InvalidOperationException>(() => agent.RestartAsync(keepData: true));
    }

    [Fact]
    public async Task PauseAsync_AnswersNothingUntilResumed()
    {
        await using var agent = await ConsulAgent.StartAsync();
        await PutAsync(agent, "slow");

        await agent.PauseAsync();
        var answer = GetAsync(agent);
        // An agent that still ran would answer this one.
        using var brief = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => agent.HttpClient.GetAsync("v1/status/leader", brief.Token));
        Assert.False(answer.IsCompleted);

        await agent.ResumeAsync();
        Assert.Equal("slow", await answer.WaitAsync(s_limit));
    }

    [Fact]
    public async Task StartAsync_ManagementToken_DeniesWhoHasNone()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = $"{Guid.NewGuid()}" });
        using var stranger = new HttpClient { BaseAddress = agent.Address };

        await PutAsync(agent, "secret");

        Assert.Equal("secret", await GetAsync(agent));
        using var denied = await stranger.GetAsync("v1/kv/key?raw");
        Assert.Equal(HttpStatusCode.Forbidden, denied.StatusCode);
    }

    [Fact]
    public async Task StartAsync_Configuration_WinsAndIsMerged()
    {
        const string Configuration = """{ "node_name": "mine", "limits": { "kv_max_value_size": 4 } }""";
        await using var agent = await ConsulAgent.StartAsync(new() { Configuration = Configuration });

        Assert.Contains("\"mine\"", await agent.HttpClient.GetStringAsync("v1/catalog/nodes"));
        using var refused = await agent.HttpClient.PutAsync("v1/kv/key", new StringContent("12345"));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
    }

    [Fact]
    public async Task StartAsync_BadConfiguration_FailsWithWhatTheAgentSaid()
    {
        var failure = await Assert.ThrowsAsync<InvalidOperationException>(
            () => ConsulAgent.StartAsync(new() { Configuration = """{ "no_such_setting": 1 }""" }));

        Assert.Contains("no_such_setting", failure.Message);
    }

    [Fact]
    public async Task StartAsync_Tls_AnswersWithTheCertificateOfTheConfiguration()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-consul-tls-");
        try
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest("CN=agent.test", key, HashAlgorithmName.SHA256);
            var now = TimeProvider.System.GetUtcNow();
            using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
            var certificateFile = Path.Combine(directory.FullName, "agent.pem");
            var keyFile = Path.Combine(directory.FullName, "agent-key.pem");
            await File.WriteAllTextAsync(certificateFile, certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(keyFile, key.ExportPkcs8PrivateKeyPem());
            await using var agent = await ConsulAgent.StartAsync(new()
            {
                Tls = true,
                Configuration = $$"""{ "cert_file": "{{certificateFile}}", "key_file": "{{keyFile}}" }""",
            });

            string? subject = null;
            using var handler = new HttpClientHandler
            {
                ServerCertificateCustomValidationCallback = (_, presented, _, _) =>
                {
                    subject = presented?.Subject;
                    return true;
                },
            };
            using var client = new HttpClient(handler) { BaseAddress = agent.SecureAddress };

            Assert.NotEqual("\"\"", await client.GetStringAsync("v1/status/leader"));
            Assert.Equal("CN=agent.test", subject);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task PutAsync(ConsulAgent agent, string value)
    {
        using var answer = await agent.HttpClient.PutAsync("v1/kv/key", new StringContent(value));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    private static async Task<string?> GetAsync(ConsulAgent agent)
    {
        using var answer = await agent.HttpClient.GetAsync("v1/kv/key?raw");
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await answer.Content.ReadAsStringAsync();
    }
}
