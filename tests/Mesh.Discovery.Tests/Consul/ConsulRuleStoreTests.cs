using System.Text;
using Mesh.Discovery.Consul;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ConsulRuleStoreTests : IDisposable
{
    private const string Routes = """{ "Routes": { "reviews": [ { "Route": [ { "Subset": "v1" } ] } ] } }""";

    private readonly FakeConsul _agent = new();
    private readonly ConsulRuleStore _store;

    public ConsulRuleStoreTests() => _store = new ConsulRuleStore(
        new ConsulOptions { Address = new Uri("http://127.0.0.1:8500"), Datacenter = "dc2" }, "/team/rules", new FakeTimeProvider(), _agent);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _store.Dispose();

    [Fact]
    public async Task Write_BadDocuments_ThrowsAllErrorsAndAsksNothing()
    {
        var failure = await Assert.ThrowsAsync<MeshConfigurationException>(() => _store.WriteAsync(
            "reviews", """{ "Routes": { "a": [ { "Route": [ { "Weight": -1 } ] } ], "b c": [] } }""", cancel: Cancel));

        Assert.Equal(
            ["consul kv team/rules/reviews:1: Routes:a:0:Route:0:Weight", "consul kv team/rules/reviews:1: Routes:b c"],
            failure.Errors.Select(static error => error[..error.LastIndexOf(": '", StringComparison.Ordinal)]));
        Assert.True(_agent.IsQuiet);
    }

    [Fact]
    public async Task Write_HalfASurrogatePair_IsRefused()
    {
        await Assert.ThrowsAsync<MeshConfigurationException>(() => _store.WriteAsync("reviews", "# \ud800", cancel: Cancel));
    }

    [Fact]
    public async Task Write_WithAVersion_TriesOnce()
    {
        var writing = _store.WriteAsync("a b/reviews", Routes, 7, Cancel);
        var put = await _agent.NextAsync("PUT /v1/kv/team/rules/a%20b/reviews?cas=7&dc=dc2");
        put.Ok("false\n");

        var conflict = await Assert.ThrowsAsync<ConsulConflictException>(() => writing);
        Assert.Equal("The key 'team/rules/a b/reviews' in Consul has not the version 7 any more; nothing is changed.", conflict.Message);
        Assert.Equal(Routes, put.Body);
    }

    [Fact]
    public async Task Write_WithoutAVersion_GivesWayToOthersSomeTimes()
    {
        var writing = _store.WriteAsync("reviews", Routes, cancel: Cancel);
        for (var i = 1; i <= 5; i++)
        {
            Read(await _agent.NextAsync("GET /v1/kv/team/rules/reviews?dc=dc2"), "other", i);
            (await _agent.NextAsync($"PUT /v1/kv/team/rules/reviews?cas={i}&dc=dc2")).Ok("false");
        }

        await Assert.ThrowsAsync<ConsulConflictException>(() => writing);
        Assert.True(_agent.IsQuiet);
    }

    [Fact]
    public async Task Write_WhatIsThereAlready_WritesNothing()
    {
        var writing = _store.WriteAsync("reviews", Routes, cancel: Cancel);
        Read(await _agent.NextAsync("GET"), Routes, 3);

        await writing;
        Assert.True(_agent.IsQuiet);
    }

    [Fact]
    public async Task List_Nothing_AsksForTheRight()
    {
        var listing = _store.ListAsync(Cancel);
        (await _agent.NextAsync("GET /v1/kv/team/rules/?recurse&dc=dc2")).Refuse(404, "");
        (await _agent.NextAsync("GET /v1/kv/team/rules/?dc=dc2")).Refuse(403, "Permission denied");

        var failure = await Assert.ThrowsAnyAsync<IOException>(() => listing);
        Assert.Contains("needs the right key_prefix \"team/rules/\" { policy = \"read\" }", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/a")]
    [InlineData("a/")]
    [InlineData("a//b")]
    [InlineData("../a")]
    [InlineData("a/.")]
    [InlineData("a\nb")]
    public async Task Name_ThatIsNoKey_IsRefused(string name)
    {
        await Assert.ThrowsAsync<ArgumentException>(() => _store.ReadAsync(name, Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => _store.WriteAsync(name, Routes, cancel: Cancel));
        await Assert.ThrowsAsync<ArgumentException>(() => _store.DeleteAsync(name, cancel: Cancel));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("a//b")]
    public void Prefix_ThatIsNone_IsRefused(string prefix) =>
        Assert.Throws<ArgumentException>(() => new ConsulRuleStore(new ConsulOptions { Address = new Uri("http://a:1") }, prefix));

    [Fact]
    public void Options_ThatAreWrong_AreAllTold()
    {
        var failure = Assert.Throws<MeshConfigurationException>(() => new ConsulRuleStore(
            new ConsulOptions { Address = new Uri("http://me:s3cret@a:1"), Token = "s3cret\r\n" }));

        Assert.Equal(2, failure.Errors.Count);
        Assert.DoesNotContain("s3cret", failure.Message, StringComparison.Ordinal);
    }

    private static void Read(FakeConsul.Call call, string text, int index) => call.Ok(
        $$"""[ { "Key": "team/rules/reviews", "Value": "{{Convert.ToBase64String(Encoding.UTF8.GetBytes(text))}}", "ModifyIndex": {{index}} } ]""");
}
