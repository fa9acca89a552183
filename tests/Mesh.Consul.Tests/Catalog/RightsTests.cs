using System.Text.Json.Nodes;
using Mesh.Consul.Tests.Support;
using Microsoft.Extensions.Logging;

namespace Mesh.Consul.Tests.Catalog;

/// <summary>Rights that go and come back while calls go on.</summary>
public sealed class RightsTests : IAsyncLifetime
{
    private const string ShortWait = """, "WaitTime": "1s" """;

    private readonly string _tokenFile = Path.GetTempFileName();
    private ConsulAgent _agent = null!;
    private Instance _v1 = null!;
    private Instance _v2 = null!;

    public async ValueTask InitializeAsync()
    {
        _agent = await ConsulAgent.StartAsync(new() { ManagementToken = Guid.NewGuid().ToString() });
        _v1 = await Instance.StartAsync("v1");
        _v2 = await Instance.StartAsync("v2");
        await _agent.RegisterAsync("web", _v1, "v1");
        await _agent.RegisterAsync("web", _v2, "v2");
        await _agent.PutKeyAsync("mesh/config/web", To("v1"));
        await _agent.DenyAsync("caller", "secret");
        await _agent.RegisterAsync("secret", _v1, more: new JsonObject { ["ID"] = "secret" });
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_tokenFile);
        if (_agent is not null)
        {
            await _v1.DisposeAsync();
            await _v2.DisposeAsync();
            await _agent.DisposeAsync();
        }
    }

    [Fact]
    public async Task Rights_GoUnderLoad_TheViewStaysWithOneErrorEachAndTheyComeBack()
    {
        var (token, policy) = await Acl.CreateAsync(_agent, Acl.Documented("caller"));
        await File.WriteAllTextAsync(_tokenFile, token, TestContext.Current.CancellationToken);
        await using var caller = await CallingProcess.StartAsync(_agent.Address, $"\"TokenFile\": \"{_tokenFile}\"{ShortWait}");
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();
        Assert.True(load.Failures.Length == 0, $"{load.Failures.FirstOrDefault()}\n{caller.LogText()}");
        Assert.Equal(["v1"], load.TakeAnswers().Keys);
        Assert.DoesNotContain(caller.Logs.GetSnapshot(), static log => log.Level >= LogLevel.Error);

        await caller.GetUntilAsync("http://secret/", static answer => answer.Contains("intention"));
        var current = "v1";

        // A token that Consul does not know.
        var wrong = Guid.NewGuid().ToString();
        await GoAsync(() => File.WriteAllTextAsync(_tokenFile, wrong), $"The token in {_tokenFile} needs the right", LogLevel.Error);
        await ComeBackAsync(() => File.WriteAllTextAsync(_tokenFile, token), "v2");

        // Consul answers these with empty lists.
        await GoAsync(() => Acl.SetRulesAsync(_agent, policy, ""), "leaves out all instances of web, because the token lacks the right", LogLevel.Error);
        await Wait.UntilAsync(() => caller.LogText().Contains("leaves out the intentions"), caller.LogText);
        await Wait.UntilAsync(() => caller.LogText().Contains("key_prefix \"mesh/config/\""), caller.LogText);
        await ComeBackAsync(() => Acl.SetRulesAsync(_agent, policy, Acl.Documented("caller")), "v1");

        await GoAsync(
            () => Acl.SetRulesAsync(_agent, policy, "service_prefix \"\" { policy = \"read\" } key_prefix \"mesh/config/\" { policy = \"read\" }"),
            "lacks the right node \"test-node\"", LogLevel.Error);
        await ComeBackAsync(() => Acl.SetRulesAsync(_agent, policy, Acl.Documented("caller")), "v2");

        await GoAsync(() => { File.Delete(_tokenFile); return Task.CompletedTask; }, "file of the Consul token cannot be read", LogLevel.Warning);
        await ComeBackAsync(() => File.WriteAllTextAsync(_tokenFile, token), "v1");

        Assert.Empty(load.Failures);
        Assert.DoesNotContain(token, caller.LogText());
        Assert.DoesNotContain(wrong, caller.LogText());

        async Task GoAsync(Func<Task> take, string message, LogLevel level)
        {
            var before = caller.Logs.GetSnapshot().Count;
            await take();
            await Wait.UntilAsync(() => New().Any(log => log.Level == level && log.Message.Contains(message)), caller.LogText);
            load.TakeAnswers();
            await load.GoOnAsync(1000);
            Assert.True(load.Failures.Length == 0, string.Join("\n", load.Failures.Take(2)) + caller.LogText()[^Math.Min(caller.LogText().Length, 20_000)..]);
            Assert.Equal([current], load.TakeAnswers().Keys);
            Assert.Contains("intention", (await Assert.ThrowsAnyAsync<HttpRequestException>(() => caller.GetAsync("http://secret/"))).Message);
            var bad = New().Where(static log => log.Level >= LogLevel.Warning && log.Id.Id is 301 or 311).Select(static log => log.Message).ToList();
            Assert.Equal(bad.Distinct(), bad);

            IEnumerable<Microsoft.Extensions.Logging.Testing.FakeLogRecord> New() => caller.Logs.GetSnapshot().Skip(before);
        }

        async Task ComeBackAsync(Func<Task> give, string next)
        {
            await give();
            current = next;
            await _agent.PutKeyAsync("mesh/config/web", To(next));
            await caller.GetUntilAsync("http://web/", answer => answer == next);
            await using var more = await Instance.StartAsync($"more-{next}-{Guid.NewGuid():N}");
            await _agent.RegisterAsync("web", more, next);
            await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")!.Endpoints.Any(e => e.Endpoint.Address.Port == more.Port), caller.LogText);
            await _agent.DeregisterAsync(more);
            await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")!.Endpoints.All(e => e.Endpoint.Address.Port != more.Port), caller.LogText);
            load.TakeAnswers();
            await load.GoOnAsync();
            Assert.Equal([next], load.TakeAnswers().Keys);
        }
    }

    [Fact]
    public async Task Rights_MissingAtStart_AreToldByName()
    {
        var token = await Acl.CreateTokenAsync(_agent, "");
        await using var caller = await CallingProcess.StartAsync(_agent.Address, $"\"Token\": \"{token}\"");
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => caller.GetAsync("http://web/"));

        await Wait.UntilAsync(() => caller.LogText().Contains("lacks the right service \"web\" { policy = \"read\" }"), caller.LogText);
        await Wait.UntilAsync(() => caller.LogText().Contains("key_prefix \"mesh/config/\" { policy = \"read\" }"), caller.LogText);
        Assert.DoesNotContain(token, caller.LogText());
    }

    private static string To(string version) => $$"""
        { "Routes": { "web": [ { "Route": [ { "Subset": "{{version}}" } ] } ] },
          "Destinations": { "web": { "Subsets": { "{{version}}": { "Labels": { "version": "{{version}}" } } } } } }
        """;
}
