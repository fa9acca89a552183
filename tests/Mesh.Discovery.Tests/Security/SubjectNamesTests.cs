using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Security;

public sealed class SubjectNamesTests
{
    [Theory]
    [InlineData("spiffe://cluster.local/ns/default/sa/web")]
    [InlineData("spiffe://10.1/ns/default/sa/web")]
    [InlineData("spiffe://under_score-/A/b.C_d")]
    public void Extension_AnyId_IsReadAsItWasWritten(string id) =>
        Assert.Equal(id, Read(SubjectNames.Extension(SpiffeId.Parse(id)), out _)?.ToString());

    [Fact]
    public void IdOf_OtherNamesBesideTheUri_AreSkipped()
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("web.local");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddUri(new Uri("spiffe://cluster.local/ns/default/sa/web"));
        names.AddEmailAddress("a@b.test");

        Assert.Equal("spiffe://cluster.local/ns/default/sa/web", Read(names.Build(), out var problem)?.ToString());
        Assert.Null(problem);
    }

    [Fact]
    public void IdOf_NoUri_HasNoId()
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("spiffe.local");

        Assert.Null(Read(names.Build(), out var problem));
        Assert.Equal("has no SPIFFE ID", problem);
    }

    [Fact]
    public void IdOf_TwoUris_IsRefusedEvenIfOneIsNoId()
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri("spiffe://cluster.local/ns/default/sa/web"));
        names.AddUri(new Uri("https://web.local/"));

        Assert.Null(Read(names.Build(), out var problem));
        Assert.Equal("has more than one URI as a subject alternative name", problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("3003860141FF")]
    [InlineData("300386014100")]
    [InlineData("30038601FF")]
    [InlineData("3000FF")]
    [InlineData("0403860141")]
    public void IdOf_WhatIsNotDer_IsToldAndDoesNotThrow(string bytes)
    {
        Assert.Null(Read(new X509Extension("2.5.29.17", Convert.FromHexString(bytes), false), out var problem));
        Assert.Equal("has subject alternative names that cannot be read", problem);
    }

    private static SpiffeId? Read(X509Extension extension, out string? problem)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(extension);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(90));
        return SubjectNames.IdOf(certificate, out problem);
    }
}
