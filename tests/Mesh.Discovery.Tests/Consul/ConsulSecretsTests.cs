using Mesh.Discovery.Consul;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>Whatever goes wrong, the token and passwords stay where they are.</summary>
public sealed class ConsulSecretsTests
{
    private const string Secret = "s3cret";

    private static readonly ConsulQuery<IReadOnlyList<KeyValueEntry>> s_query = ConsulKeyValues.Below("a/", "");

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(429)]
    [InlineData(500)]
    public async Task Refusal_IsToldWithoutTheToken(int status)
    {
        var agent = new FakeConsul();
        using var client = Client(agent, Secret);
        var asking = client.GetAsync(s_query, 0, TimeSpan.Zero, mayBeStale: false, TestContext.Current.CancellationToken);
        var call = await agent.NextAsync();
        call.Refuse(status, "no");

        var failure = await Assert.ThrowsAsync<ConsulException>(() => asking);
        Assert.Equal(Secret, call.Token);
        Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("s3cret\r\nx: y")]
    [InlineData("s3crét")]
    [InlineData("s3cret\u20ac")]
    public async Task TokenThatNoHeaderCanHold_IsNotShown(string token)
    {
        var options = new ConsulOptions { Address = new Uri("http://127.0.0.1:9"), Token = token };
        using var client = new ConsulClient(options, TimeProvider.System);

        var failure = await Assert.ThrowsAnyAsync<Exception>(
            () => client.GetAsync(s_query, 0, TimeSpan.Zero, mayBeStale: false, TestContext.Current.CancellationToken));

        Assert.DoesNotContain("s3cr", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_ThatCannotBeRead_IsToldWithoutTheToken()
    {
        var agent = new FakeConsul();
        using var client = Client(agent, Secret);
        var asking = client.GetAsync(s_query, 0, TimeSpan.Zero, mayBeStale: false, TestContext.Current.CancellationToken);
        (await agent.NextAsync()).Ok("<html>");

        Assert.DoesNotContain(Secret, (await Assert.ThrowsAsync<ConsulException>(() => asking)).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://me:s3cret@consul:8500")]
    [InlineData("me:s3cret@consul:8500")]
    [InlineData("gopher://s3cret")]
    public void EnvironmentAddress_ThatIsWrong_IsNotShown(string text)
    {
        var failure = Assert.Throws<ConsulException>(
            () => ConsulEnvironment.Apply(new ConsulOptions(), name => name == "CONSUL_HTTP_ADDR" ? text : null));

        Assert.Contains("CONSUL_HTTP_ADDR is not the address of a Consul agent; allowed: 'host:port'", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, null, "http://127.0.0.1:8500/")]
    [InlineData("consul:1", null, "http://consul:1/")]
    [InlineData("consul:1", "true", "https://consul:1/")]
    [InlineData("http://consul:1", "true", "http://consul:1/")]
    [InlineData("unix:///run/consul.sock", null, "unix:///run/consul.sock")]
    public void EnvironmentAddress_OfEachForm_IsRead(string? text, string? ssl, string address)
    {
        var options = new ConsulOptions();

        ConsulEnvironment.Apply(options, name => name switch { "CONSUL_HTTP_ADDR" => text, "CONSUL_HTTP_SSL" => ssl, _ => null });

        Assert.Equal(address, options.Address!.ToString());
    }

    private static ConsulClient Client(FakeConsul agent, string token) =>
        new(new ConsulOptions { Address = new Uri("http://127.0.0.1:8500"), Token = token }, new FakeTimeProvider(), agent);
}
