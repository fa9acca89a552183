using CsCheck;

namespace Mesh.Discovery.Tests;

public class ServiceNameTests
{
    [Theory]
    [InlineData("reviews", "reviews.prod.svc.cluster.local")]
    [InlineData("Reviews", "reviews.prod.svc.cluster.local")]
    [InlineData("reviews.test", "reviews.test.svc.cluster.local")]
    [InlineData("reviews.test.svc", "reviews.test.svc.cluster.local")]
    [InlineData("reviews.test.SVC.Cluster.Local", "reviews.test.svc.cluster.local")]
    [InlineData("reviews.test.svc.cluster.local.", "reviews.test.svc.cluster.local")]
    [InlineData("example.com", "example.com.svc.cluster.local")]
    [InlineData("api.example.com", "api.example.com")]
    [InlineData("API.Example.com.", "api.example.com")]
    [InlineData("reviews.test.svc.cluster", "reviews.test.svc.cluster")]
    [InlineData("reviews.test.svc.example.com", "reviews.test.svc.example.com")]
    [InlineData("*.example.com", "*.example.com")]
    [InlineData("*.prod", "*.prod")]
    [InlineData("*", "*")]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("a..b", "a..b")]
    [InlineData(".", ".")]
    public void Resolve_Forms_GiveTheHost(string written, string host) =>
        Assert.Equal(host, ServiceName.Resolve(written, "prod").Host);

    [Theory]
    [InlineData("reviews", false)]
    [InlineData("reviews.prod", false)]
    [InlineData("api.example.com", true)]
    [InlineData("*.prod.svc.cluster.local", true)]
    [InlineData("10.0.0.1", true)]
    public void IsExternal_Forms_OnlyOutsideTheNameSpace(string written, bool isExternal) =>
        Assert.Equal(isExternal, ServiceName.Resolve(written, "prod").IsExternal);

    [Fact]
    public void Resolve_AllFormsOfOneService_AreEqual()
    {
        var label = Gen.String[Gen.Char.AlphaNumeric, 1, 20].Select(static text => "s" + text);

        Gen.Select(label, label).Sample((name, @namespace) =>
        {
            var service = new ServiceName(name, @namespace);
            string[] forms = [name, $"{name}.{@namespace}", $"{name}.{@namespace}.svc", service.Host, service.Host.ToUpperInvariant() + "."];
            return forms.All(form => ServiceName.Resolve(form, @namespace) == service);
        });
    }

    [Theory]
    [InlineData("", "prod")]
    [InlineData("reviews", "")]
    [InlineData("a.b", "prod")]
    [InlineData("reviews", "a.b")]
    public void Constructor_BadParts_Throws(string name, string @namespace) =>
        Assert.Throws<ArgumentException>(() => new ServiceName(name, @namespace));

    [Fact]
    public void Parts_OfAService_AreInLowerCase()
    {
        var name = new ServiceName("Reviews", "PROD");

        Assert.Equal(("reviews", "prod", "reviews.prod"), (name.Name, name.Namespace, name.ToString()));
        Assert.Equal(new ServiceName("reviews", "prod"), name);
    }

    [Fact]
    public void Default_HasEmptyParts() =>
        Assert.Equal(("", "", "", ""), (default(ServiceName).Name, default(ServiceName).Namespace, default(ServiceName).Host, default(ServiceName).ToString()));

    [Theory]
    [InlineData("reviews.prod.svc.cluster.local", "reviews.prod")]
    [InlineData("reviews.prod.svc", "reviews.prod.svc")]
    [InlineData("reviews", "reviews")]
    [InlineData("example.com", "example.com")]
    [InlineData("x.svc.cluster.local.example.com", "x.svc.cluster.local.example.com")]
    public void Literal_Hosts_OnlyTheFullFormNamesAService(string host, string name) =>
        Assert.Equal(name, ServiceName.Literal(host).ToString());
}
