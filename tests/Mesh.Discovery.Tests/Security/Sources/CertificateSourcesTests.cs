using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Sources;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Mesh.Discovery.Tests.Security.Sources;

public sealed class CertificateSourcesTests
{
    private readonly MeshOptions _options = new() { Service = "web" };
    private readonly List<RuleIssue> _issues = [];
    private readonly List<ICertificateSource> _registered = [];
    private int _connects;

    [Fact]
    public void Create_NoSource_IsNone()
    {
        Assert.Null(Create(""));
        Assert.Empty(_issues);
    }

    [Theory]
    [InlineData("development", typeof(DevelopmentCertificateSource))]
    [InlineData("Files", typeof(FileCertificateSource))]
    [InlineData("test", typeof(TestCertificateSource))]
    public void Create_KnownName_IsThatSourceWhateverItsCase(string name, Type type)
    {
        _registered.Add(new TestCertificateSource());
        var files = _options.Security.Certificates.Files;
        (files.Certificate, files.Key, files.Roots) = ("a", "b", "c");

        Assert.IsType(type, Create(name));
        Assert.Empty(_issues);
        Assert.Equal(0, _connects);
    }

    [Fact]
    public void Create_Consul_UsesTheConnectionThatTellsItsOwnIssues()
    {
        Assert.Null(Create("Consul"));
        Assert.Equal(1, _connects);
        Assert.Empty(_issues);
    }

    [Fact]
    public void Create_UnknownName_NamesTheNearest()
    {
        _registered.Add(new TestCertificateSource());

        Assert.Null(Create("Develpment"));

        Assert.Equal(
            "configuration: Mesh:Security:Certificates:Source: the source of certificates 'Develpment' is not known; allowed are Development, Files, Consul, Test; did you mean 'Development'?",
            Assert.Single(_issues).ToString());
    }

    [Fact]
    public void Create_FilesThatAreNotNamed_AreAllTold()
    {
        _options.Security.Certificates.Files.Key = "tls.key";
        _options.Security.Certificates.Files.OtherRoots["other.test"] = "";
        _options.Security.Certificates.Files.PollInterval = TimeSpan.Zero;

        Assert.Null(Create("Files"));

        Assert.Equal(
            ["Certificate", "Roots", "OtherRoots:other.test", "PollInterval"],
            _issues.Select(static issue => issue.Location.Path["Mesh:Security:Certificates:Files:".Length..]));
        Assert.All(_issues, static issue => Assert.Equal(IssueSeverity.Error, issue.Severity));
        Assert.Contains("is not set; the path of a PEM file is wanted", _issues[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Create_WhatCannotBeAnIdentity_IsTold()
    {
        _options.Service = "my service";
        _options.Namespace = "a/b";
        _options.Security.TrustDomain = "x:1";
        _options.Security.Certificates.Development.Lifetime = TimeSpan.FromSeconds(1);

        Assert.Null(Create("Development"));

        Assert.Equal(
            ["Mesh:Service", "Mesh:Namespace", "Mesh:Security:TrustDomain", "Mesh:Security:Certificates:Development:Lifetime"],
            _issues.Select(static issue => issue.Location.Path));
        Assert.Contains("'my service' cannot be part of an identity", _issues[0].Message, StringComparison.Ordinal);
    }

    private ICertificateSource? Create(string name)
    {
        _options.Security.Certificates.Source = name;
        return CertificateSources.Create(
            _options, Path.GetTempPath(), _registered, Connect, TimeProvider.System, SystemRandomSource.Instance, NullLogger.Instance, _issues);
    }

    private ConsulConnection? Connect()
    {
        _connects++;
        return null;
    }
}
