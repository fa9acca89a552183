using System.Text;
using System.Text.Json;
using CsCheck;
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Registration;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ConsulMetaTests
{
    private static readonly ServiceName s_web = new("web", "prod");

    private static readonly Gen<string> s_text =
        Gen.String[Gen.OneOf(Gen.Char['a', 'z'], OneOf('/', '.', '-', '_', 'é', '"', '\\', '\n', ' ', '{', '\u20ac')), 0, 12];

    private static readonly Gen<string> s_key = Gen.OneOf(
        s_text, s_text.Select(static t => "mesh-" + t), s_text.Select(static t => "consul-" + t), OneOf("mesh-labels", "mesh-weight", ""));

    private static readonly Gen<Endpoint> s_endpoint = Gen.Select(
        Gen.Dictionary(s_key, s_text)[0, 6],
        OneOf(0, 1, 2, 9, 10, 65535),
        OneOf("http://10.0.0.1:80", "https://10.0.0.1:443", "https://web.example.com:8443", "http://[::1]:5000", "http://[fe80::1]"),
        Gen.Select(s_text, s_text, s_text).Select(static t => new Locality(t.Item1, t.Item2, t.Item3)),
        static (labels, weight, address, locality) => new Endpoint
        {
            Address = new Uri(address),
            Labels = new Labels(labels),
            Weight = weight,
            Locality = locality,
        });

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [Fact]
    public void Write_AnyEndpoint_IsReadAsTheSameAndWithinTheLimits() => s_endpoint.Sample(static endpoint =>
    {
        var instance = new ServiceInstance("web-1", s_web, endpoint);
        using var json = JsonDocument.Parse(RegistrationBody.Create(instance, new ConsulOptions()));
        var body = json.RootElement;
        var meta = body.GetProperty("Meta").EnumerateObject().ToDictionary(static p => p.Name, static p => p.Value.GetString()!);

        Assert.True(meta.Count <= 64);
        Assert.All(meta, static pair =>
        {
            Assert.Matches("^[A-Za-z0-9_-]{1,128}$", pair.Key);
            Assert.True(Encoding.UTF8.GetByteCount(pair.Value) <= 512);
            Assert.False(pair.Key.StartsWith("consul-", StringComparison.Ordinal));
        });
        Assert.Equal("prod", ConsulMeta.Namespace(meta));
        Assert.InRange(body.GetProperty("Weights").GetProperty("Passing").GetInt32(), 1, 65535);
        Assert.InRange(body.GetProperty("Weights").GetProperty("Warning").GetInt32(), 1, 65535);
        Assert.Equal(endpoint, new Endpoint
        {
            Address = ConsulMeta.Address(meta, body.GetProperty("Address").GetString()!, body.GetProperty("Port").GetInt32())!,
            Labels = ConsulMeta.ReadLabels(meta),
            Weight = ConsulMeta.Weight(meta, body.GetProperty("Weights").GetProperty("Passing").GetInt32()),
            Locality = ConsulMeta.Locality(meta),
        });
    });

    [Theory]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(90)]
    public void Write_ManyLabels_NoneIsLostAndNoMoreThan64Pairs(int count)
    {
        var labels = new Labels(Enumerable.Range(0, count).Select(static i => new KeyValuePair<string, string>($"l{i}", "v")));

        var meta = ConsulMeta.Write(s_web, new Endpoint { Address = new Uri("http://a:1"), Labels = labels });

        Assert.Equal(count == 63 ? count + 1 : 64, meta.Count);
        Assert.Equal(labels, ConsulMeta.ReadLabels(meta));
    }

    [Fact]
    public void Write_PlainEndpoint_HasOnlyWhatIsNeeded()
    {
        var meta = ConsulMeta.Write(
            s_web, new Endpoint { Address = new Uri("http://a:1"), Labels = new Labels([new("version", "v1")]) });

        Assert.Equal(["mesh-namespace", "version"], meta.Keys);
    }

    [Fact]
    public void Write_MoreThanFits_IsAClearError()
    {
        var labels = new Labels([new("a.b", new string('x', 600))]);

        var failure = Assert.Throws<ConsulException>(
            () => ConsulMeta.Write(s_web, new Endpoint { Address = new Uri("http://a:1"), Labels = labels }));

        Assert.StartsWith("web.prod cannot be registered in Consul: its meta 'mesh-labels' would have 610 bytes, and Consul takes at most 512.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("7")]
    [InlineData("""{ "a": 1 }""")]
    [InlineData("""{ "a": null }""")]
    [InlineData("""{ "a": { "b": "c" } }""")]
    public void ReadLabels_BrokenPackedLabels_AreLeftOut(string json)
    {
        var meta = new Dictionary<string, string> { ["version"] = "v1", ["mesh-labels"] = json, ["mesh-future"] = "x" };

        Assert.Equal("version=v1", ConsulMeta.ReadLabels(meta).ToString());
    }

    [Fact]
    public void Read_Nothing_IsTheDefault()
    {
        Assert.Same(Labels.Empty, ConsulMeta.ReadLabels(null));
        Assert.Null(ConsulMeta.Namespace(null));
        Assert.Same(Locality.Unknown, ConsulMeta.Locality(null));
        Assert.Equal(7, ConsulMeta.Weight(null, 7));
        Assert.Null(ConsulMeta.Address(null, "", 80));
        Assert.Null(ConsulMeta.Address(null, "a", 0));
        Assert.Null(ConsulMeta.Address(null, "a", 70000));
        Assert.Null(ConsulMeta.Address(null, "me@a", 80));
        Assert.Null(ConsulMeta.Address(null, "a/b", 80));
        Assert.Null(ConsulMeta.Address(null, "a b", 80));
    }
}
