using Mesh.Consul.Tests.Support;

namespace Mesh.Consul.Tests.Catalog;

/// <summary>Whatever happens to the agent, calls go on; and what it says later is seen without a restart.</summary>
public sealed class StaticStabilityTests : IAsyncLifetime
{
    private readonly string _views = Path.Combine(Path.GetTempPath(), $"mesh-views-{Guid.NewGuid():N}");
    private ConsulAgent _agent = null!;
    private Instance _one = null!;
    private Instance _two = null!;

    public async ValueTask InitializeAsync()
    {
        _agent = await ConsulAgent.StartAsync(new ConsulAgentSettings { Persistent = true });
        _one = await Instance.StartAsync("one");
        _two = await Instance.StartAsync("two");
        await _agent.RegisterAsync("web", _one, check: "passing");
        await _agent.RegisterAsync("web", _two, check: "passing");
    }

    public async ValueTask DisposeAsync()
    {
        if (_agent is not null)
        {
            await _one.DisposeAsync();
            await _two.DisposeAsync();
            await _agent.DisposeAsync();
        }

        if (Directory.Exists(_views))
        {
            Directory.Delete(_views, recursive: true);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AgentKilledUnderLoad_AndBack_NoCallFailsAndChangesAreSeenAgain(bool keepData)
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await using var load = new Load(caller, "http://web/");
        await load.GoOnAsync();

        await _agent.KillAsync();
        await Wait.UntilAsync(() => caller.LogText().Contains("The last good view stays in use"), caller.LogText);
        await load.GoOnAsync();

        // With its data, checks are critical until they report again; without, nothing is there at all.
        await _agent.RestartAsync(keepData, TestContext.Current.CancellationToken);
        await Wait.UntilAsync(() => caller.LogText().Contains("answers again"), caller.LogText);
        await Wait.UntilAsync(() => caller.LogText().Contains("Consul suddenly knows"), caller.LogText);
        load.TakeAnswers();
        await load.GoOnAsync();
        Assert.Equal(["one", "two"], load.TakeAnswers().Keys.Order());

        // Somebody registers one of them again, and another one.
        await using var three = await Instance.StartAsync("three");
        await _agent.RegisterAsync("web", _one, check: "passing");
        await _agent.RegisterAsync("web", three, check: "passing");
        await caller.GetUntilAsync("http://web/", static answer => answer == "three");
        Assert.Empty(load.Failures);
    }

    [Fact]
    public async Task AgentDownAtStart_SavedView_ServesItAndSaysSo()
    {
        await using (var first = await CallingProcess.StartAsync(_agent.Address, savedViews: _views))
        {
            await first.GetAsync("http://web/");
        }

        await _agent.KillAsync();
        await using var second = await CallingProcess.StartAsync(_agent.Address, savedViews: _views);
        await using (var load = new Load(second, "http://web/"))
        {
            await load.GoOnAsync();
            Assert.Equal(["one", "two"], load.TakeAnswers().Keys.Order());
            Assert.Contains("the view saved at", second.LogText());
            Assert.True(second.Runtime.Synced.IsCompleted);

            await _agent.RestartAsync(keepData: true, TestContext.Current.CancellationToken);
            await using var three = await Instance.StartAsync("three");
            await _agent.RegisterAsync("web", _one, check: "passing");
            await _agent.RegisterAsync("web", three, check: "passing");
            await second.GetUntilAsync("http://web/", static answer => answer == "three");
            Assert.Empty(load.Failures);
        }
    }

    [Fact]
    public async Task AgentThatAnswersNothing_CallsGoOnAndAProcessWithASavedViewStarts()
    {
        await using var first = await CallingProcess.StartAsync(_agent.Address, savedViews: _views);
        await first.GetAsync("http://web/");
        await Wait.UntilAsync(() => Directory.Exists(_views) && Directory.EnumerateFiles(_views, "*health*", SearchOption.AllDirectories).Any());

        await _agent.PauseAsync();
        await using var second = await CallingProcess.StartAsync(_agent.Address, savedViews: _views);
        await using (var one = new Load(first, "http://web/"))
        await using (var two = new Load(second, "http://web/"))
        {
            await one.GoOnAsync();
            await two.GoOnAsync();
            await _agent.ResumeAsync();
            await using var three = await Instance.StartAsync("three");
            await _agent.RegisterAsync("web", three);
            await first.GetUntilAsync("http://web/", static answer => answer == "three");
            await second.GetUntilAsync("http://web/", static answer => answer == "three");
            Assert.Empty(one.Failures);
            Assert.Empty(two.Failures);
        }
    }

    [Fact]
    public async Task AgentKilled_BeforeTheFirstCallOfAServiceThatIsFollowedFromTheStart_TheCallSucceeds()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address, """ "Follow": [ "web" ] """);
        await caller.Runtime.Synced;

        await _agent.KillAsync();

        Assert.Contains(await caller.GetAsync("http://web/"), (string[])["one", "two"]);
    }

    [Fact]
    public async Task SavedView_IsForThisUserOnly()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        await using var first = await CallingProcess.StartAsync(_agent.Address, savedViews: _views);
        await first.GetAsync("http://web/");
        var file = "";
        await Wait.UntilAsync(() => Directory.Exists(_views)
            && (file = Directory.EnumerateFiles(_views, "*health*.json", SearchOption.AllDirectories).FirstOrDefault() ?? "").Length > 0);

        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public async Task MostInstancesLeaveInGoodTimes_IsBelievedAtTheSecondLook()
    {
        await using var caller = await CallingProcess.StartAsync(_agent.Address);
        await caller.GetAsync("http://web/");

        await _agent.DeregisterAsync(_one);
        await _agent.DeregisterAsync(_two);

        await Wait.UntilAsync(() => caller.Runtime.Current.Find("web")!.Endpoints.Length == 0);
        Assert.Contains("Consul suddenly knows 0 healthy instances of web.default and not", caller.LogText());
    }
}
