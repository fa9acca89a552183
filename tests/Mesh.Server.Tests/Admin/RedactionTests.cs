using Mesh.Discovery;
using Mesh.Server.Tests.Security;
using Microsoft.Extensions.Configuration;

namespace Mesh.Server.Tests.Admin;

/// <summary>What must not be seen in the log or under <c>/mesh</c>, whoever looks.</summary>
public sealed class RedactionTests
{
    private const string Secret = "s3cret";

    [Fact]
    public async Task Config_SecretsEverywhere_ShowsNone()
    {
        var changing = new ConfigurationManager();
        await using var app = await SecureApp.StartAsync(
            MtlsMode.Permissive,
            options =>
            {
                options.Advertise = new Uri($"http://me:{Secret}@reviews.example.com:81");
                options.Discovery.Consul.Token = Secret;
                options.Discovery.Consul.Address = new Uri($"https://me:{Secret}@consul.example.com");
            },
            builder => builder.Configuration.AddInMemoryCollection(
            [
                new("Mesh:Routes:ratings:0:Match:0:Headers:Authorization:Exact", $"Bearer {Secret}"),
                new("Mesh:Routes:ratings:0:DirectResponse:Status", "200"),
                new("Mesh:Routes:ratings:0:DirectResponse:Body:String", Secret),
                new("Mesh:Routes:ratings:0:Headers:Request:Set:Cookie", Secret),
            ]));
        using var key = app.Certificates.Current!.Set.Leaf;

        var client = app.PlainClient();
        var (config, endpoints) = (await client.GetStringAsync("/mesh/config"), await client.GetStringAsync("/mesh/endpoints"));

        Assert.Contains("ratings", config, StringComparison.Ordinal);
        foreach (var text in app.Mesh.Logs.GetSnapshot().Select(static log => $"{log.Message} {log.Exception}").Append(config).Append(endpoints))
        {
            Assert.DoesNotContain(Secret, text, StringComparison.Ordinal);
            Assert.DoesNotContain("PRIVATE KEY", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Start_AddressWithAPassword_IsRefusedWithoutSayingIt()
    {
        var error = await Assert.ThrowsAnyAsync<MeshConfigurationException>(() => MeshApp.StartAsync(
            build: static builder => builder.Configuration.AddInMemoryCollection([new("Mesh:Advertise", $"http://me:{Secret}@a:80")])));

        Assert.Contains("Mesh:Advertise", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.Ordinal);
    }
}
