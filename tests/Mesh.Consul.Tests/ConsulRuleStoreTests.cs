using Mesh.Discovery;
using Mesh.Discovery.Consul;

namespace Mesh.Consul.Tests;

public sealed class ConsulRuleStoreTests
{
    private const string Routes = """{ "Routes": { "reviews": [ { "Route": [ { "Subset": "v1" } ] } ] } }""";
    private const string OtherRoutes = """{ "Routes": { "reviews": [ { "Route": [ { "Subset": "v2" } ] } ] } }""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Write_ReadDelete_GoThroughARealAgent()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var store = Open(agent);

        Assert.Empty(await store.ListAsync(Cancel));
        Assert.Null(await store.ReadAsync("team a/reviews", Cancel));
        await store.DeleteAsync("team a/reviews", cancel: Cancel);
        await store.WriteAsync("team a/reviews", Routes, 0, Cancel);
        var read = Assert.Single(await store.ListAsync(Cancel));
        Assert.Equal(("team a/reviews", Routes), (read.Name, read.Text));
        Assert.Equal(read, await store.ReadAsync("team a/reviews", Cancel));
        await store.WriteAsync("team a/reviews", Routes, cancel: Cancel);
        Assert.Equal(read, await store.ReadAsync("team a/reviews", Cancel));
        await store.DeleteAsync("team a/reviews", read.Version, Cancel);
        Assert.Empty(await store.ListAsync(Cancel));
    }

    [Fact]
    public async Task Write_OldVersion_ConflictsAndChangesNothing()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var store = Open(agent);
        await store.WriteAsync("reviews", Routes, cancel: Cancel);
        var first = (await store.ReadAsync("reviews", Cancel))!;
        await store.WriteAsync("reviews", OtherRoutes, first.Version, Cancel);

        await Assert.ThrowsAsync<ConsulConflictException>(() => store.WriteAsync("reviews", Routes, first.Version, Cancel));
        await Assert.ThrowsAsync<ConsulConflictException>(() => store.WriteAsync("reviews", Routes, 0, Cancel));
        await Assert.ThrowsAsync<ConsulConflictException>(() => store.DeleteAsync("reviews", first.Version, Cancel));
        await Assert.ThrowsAsync<ConsulConflictException>(() => store.DeleteAsync("gone", first.Version, Cancel));

        Assert.Equal(OtherRoutes, (await store.ReadAsync("reviews", Cancel))!.Text);
    }

    [Fact]
    public async Task Write_ManyAtOnceWithoutAVersion_OneAfterTheOther()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: Cancel);
        using var store = Open(agent);

        await Task.WhenAll(store.WriteAsync("reviews", Routes, cancel: Cancel), store.WriteAsync("reviews", OtherRoutes, cancel: Cancel));

        Assert.Contains((await store.ReadAsync("reviews", Cancel))!.Text, new[] { Routes, OtherRoutes });
    }

    [Fact]
    public async Task Rights_ThatAreMissing_AreNamed()
    {
        await using var agent = await ConsulAgent.StartAsync(new() { ManagementToken = Guid.NewGuid().ToString() }, Cancel);
        using var reader = Open(agent, await Acl.CreateTokenAsync(agent, Acl.Documented("web")));
        using var writer = Open(agent, await Acl.CreateTokenAsync(agent, Acl.Documented("web", "write")));
        using var nobody = Open(agent, await Acl.CreateTokenAsync(agent, "service_prefix \"\" { policy = \"read\" }"));

        Assert.Empty(await reader.ListAsync(Cancel));
        await writer.WriteAsync("reviews", Routes, cancel: Cancel);
        Assert.Single(await reader.ListAsync(Cancel));
        var write = await Assert.ThrowsAnyAsync<IOException>(() => reader.WriteAsync("reviews", OtherRoutes, cancel: Cancel));
        var read = await Assert.ThrowsAnyAsync<IOException>(() => nobody.ListAsync(Cancel));

        Assert.Contains("needs the right key \"mesh/config/reviews\" { policy = \"write\" }", write.Message, StringComparison.Ordinal);
        Assert.Contains("needs the right key_prefix \"mesh/config/\" { policy = \"read\" }", read.Message, StringComparison.Ordinal);
    }

    private static ConsulRuleStore Open(ConsulAgent agent, string token = "") =>
        new(new ConsulOptions { Address = agent.Address, Token = token });
}
