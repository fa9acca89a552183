using System.Net;
using System.Text;
using Mesh.Discovery.Consul;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ConsulClientTests
{
    private static readonly ConsulQuery<HealthEntry[]> s_query =
        ConsulQueries.Health(new ConsulServiceName("web", "default", null), new ConsulOptions());

    private readonly FakeConsul _agent = new();
    private readonly FakeTimeProvider _time = new();
    private readonly ConsulOptions _options = new() { Address = new Uri("http://127.0.0.1:8500") };

    [Theory]
    [InlineData(403, "is not known to Consul")]
    [InlineData(429, "http_max_conns_per_client")]
    [InlineData(500, "with 500: oh no")]
    public async Task Refusal_SaysWhatWasAskedAndWhatIsMissing(int status, string part)
    {
        using var client = new ConsulClient(_options, _time, _agent);
        var asking = Ask(client);
        (await _agent.NextAsync()).Refuse(status, "oh\r\n  no");

        var failure = await Assert.ThrowsAsync<ConsulException>(() => asking);
        Assert.Equal(status, (int)failure.Status!);
        Assert.Contains("Consul at http://127.0.0.1:8500 answered GET /v1/health/service/web", failure.Message, StringComparison.Ordinal);
        Assert.Contains(part, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Refusal_LongText_IsCut()
    {
        using var client = new ConsulClient(_options, _time, _agent);
        var asking = Ask(client);
        (await _agent.NextAsync()).Refuse(500, new string('x', 1_000_000));

        Assert.InRange((await Assert.ThrowsAsync<ConsulException>(() => asking)).Message.Length, 300, 600);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task HugeAnswer_IsRefusedWithoutReadingIt(bool saysLength)
    {
        var endless = new EndlessContent(saysLength);
        using var client = new ConsulClient(_options, TimeProvider.System, new Once(endless));
        var before = GC.GetTotalAllocatedBytes();

        var failure = await Assert.ThrowsAsync<ConsulException>(() => Ask(client));

        Assert.Contains("Consul at http://127.0.0.1:8500", failure.Message, StringComparison.Ordinal);
        Assert.InRange(endless.Written, 0, 65L * 1024 * 1024);
        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 600L * 1024 * 1024);
    }

    [Fact]
    public async Task SlowBody_IsGivenUpAfterTheLimit()
    {
        using var client = new ConsulClient(_options, _time, _agent);
        var asking = Ask(client);
        var call = await _agent.NextAsync();
        _time.Advance(TimeSpan.FromSeconds(10));

        var failure = await Assert.ThrowsAsync<ConsulException>(() => asking);
        Assert.Null(failure.Status);
        Assert.Contains("did not answer GET /v1/health/service/web?stale within 10 s", failure.Message, StringComparison.Ordinal);
        Assert.False(call.Answer.Task.IsCompleted);
    }

    [Fact]
    public async Task TokenFile_Rotated_IsReadAgain()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, " one\n", TestContext.Current.CancellationToken);
            _options.TokenFile = file;
            using var client = new ConsulClient(_options, _time, _agent);
            Assert.Equal("one", await TokenAsync(client));

            await File.WriteAllTextAsync(file, "two", TestContext.Current.CancellationToken);
            File.SetLastWriteTimeUtc(file, new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
            Assert.Equal("two", await TokenAsync(client));

            File.Delete(file);
            var failure = await Assert.ThrowsAsync<ConsulException>(() => Ask(client));
            Assert.Contains("file of the Consul token cannot be read", failure.Message, StringComparison.Ordinal);
            Assert.Contains(file, failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("two", failure.ToString(), StringComparison.Ordinal);

            await File.WriteAllTextAsync(file, "three", TestContext.Current.CancellationToken);
            Assert.Equal("three", await TokenAsync(client));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task TokenFile_Refused_IsNamedAndNotShown()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "s3cret", TestContext.Current.CancellationToken);
            _options.TokenFile = file;
            using var client = new ConsulClient(_options, _time, _agent);
            var asking = Ask(client);
            (await _agent.NextAsync()).Refuse(403, "ACL not found");

            var failure = (await Assert.ThrowsAsync<ConsulException>(() => asking)).ToString();
            Assert.Contains($"The token in {file} needs the right service \"web\" {{ policy = \"read\" }}", failure, StringComparison.Ordinal);
            Assert.DoesNotContain("s3cret", failure, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("web", "web", "default", null)]
    [InlineData("web.prod", "web", "prod", null)]
    [InlineData("web.prod.svc.cluster.local", "web", "prod", null)]
    [InlineData("web.service.dc2.consul", "web", null, "dc2")]
    [InlineData("WEB.Service.DC2.Consul", "web", null, "dc2")]
    [InlineData("web.service.consul", null, null, null)]
    [InlineData("a.web.service.dc2.consul", null, null, null)]
    [InlineData("api.example.com", null, null, null)]
    [InlineData("*.example.com", null, null, null)]
    [InlineData("example.com", "example", "com", null)]
    public void ServiceName_OfEachHost_IsTheOneInConsul(string host, string? service, string? @namespace, string? datacenter)
    {
        var name = ConsulServiceName.From(ServiceName.Resolve(host, "default"));

        Assert.Equal(service is null ? null : new ConsulServiceName(service, @namespace, datacenter), name);
        if (datacenter is not null)
        {
            Assert.Equal(host.ToLowerInvariant(), ConsulServiceName.HostIn(service!, datacenter));
        }
    }

    [Fact]
    public void Environment_FillsOnlyWhatIsOpen()
    {
        var all = new Dictionary<string, string>
        {
            ["CONSUL_HTTP_ADDR"] = "https://other:1", ["CONSUL_HTTP_TOKEN"] = "t", ["CONSUL_HTTP_TOKEN_FILE"] = "f",
            ["CONSUL_CACERT"] = "ca", ["CONSUL_CLIENT_CERT"] = "cert", ["CONSUL_CLIENT_KEY"] = "key",
            ["CONSUL_TLS_SERVER_NAME"] = "name", ["CONSUL_HTTP_SSL_VERIFY"] = "false",
        };
        var open = new ConsulOptions();
        ConsulEnvironment.Apply(open, all.GetValueOrDefault);
        Assert.Equal(
            ("https://other:1/", "t", "f", "ca", "cert", "key", "name", false),
            (open.Address!.ToString(), open.Token, open.TokenFile, open.Tls.CaFile, open.Tls.CertificateFile, open.Tls.KeyFile,
                open.Tls.ServerName, open.Tls.Verify));

        var set = new ConsulOptions { Address = new Uri("http://mine:2"), TokenFile = "mine" };
        (set.Tls.CaFile, set.Tls.CertificateFile, set.Tls.ServerName) = ("a", "b", "c");
        ConsulEnvironment.Apply(set, all.GetValueOrDefault);
        Assert.Equal(
            ("http://mine:2/", "", "mine", "a", "b", "", "c"),
            (set.Address.ToString(), set.Token, set.TokenFile, set.Tls.CaFile, set.Tls.CertificateFile, set.Tls.KeyFile, set.Tls.ServerName));
    }

    private static Task<ConsulAnswer<HealthEntry[]>> Ask(ConsulClient client) =>
        client.GetAsync(s_query, 0, TimeSpan.Zero, mayBeStale: true, TestContext.Current.CancellationToken);

    private async Task<string?> TokenAsync(ConsulClient client)
    {
        var asking = Ask(client);
        var call = await _agent.NextAsync();
        call.Ok("[]");
        await asking;
        return call.Token;
    }

    private sealed class Once(HttpContent content) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = content });
    }

    private sealed class EndlessContent(bool saysLength) : HttpContent
    {
        private const long Size = 4L * 1024 * 1024 * 1024;

        private static readonly byte[] s_part = Encoding.UTF8.GetBytes(new string(' ', 64 * 1024));

        public long Written { get; private set; }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            while (Written < Size)
            {
                await stream.WriteAsync(s_part);
                Written += s_part.Length;
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = Size;
            return saysLength;
        }
    }
}
