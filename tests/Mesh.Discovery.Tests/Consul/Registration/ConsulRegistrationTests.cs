using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Consul;
using Mesh.Discovery.Consul.Registration;
using Mesh.Discovery.Tests.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Discovery.Tests.Consul.Registration;

public sealed class ConsulRegistrationTests : IDisposable
{
    private const string Register = "PUT /v1/agent/service/register?replace-existing-checks=true";
    private const string Look = "GET /v1/agent/service/web-1";
    private const string Checks = "GET /v1/agent/checks?filter=CheckID%20%3D%3D%20%22service%3Aweb-1%22";
    private const string HasCheck = """{ "service:web-1": { "Status": "passing" } }""";
    private const string Pass = "PUT /v1/agent/check/pass/service%3Aweb-1";
    private const string Deregister = "PUT /v1/agent/service/deregister/web-1";

    private static readonly ServiceInstance s_instance = new(
        "web-1", new ServiceName("web", "default"), new Endpoint { Address = new Uri("http://10.0.0.1:80") });

    private readonly FakeConsul _agent = new();
    private readonly PausingTime _time = new();
    private readonly FakeLogger _logger = new();
    private readonly ConsulOptions _options = new()
    {
        Address = new Uri("http://127.0.0.1:8500"),
        Token = "s3cret",
        WaitTime = TimeSpan.FromSeconds(60),
    };

    private readonly ConsulClient _client;

    public ConsulRegistrationTests() => _client = new ConsulClient(_options, _time, _agent);

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Start_Watches_AndDisposeWithdraws()
    {
        var registration = await StartAsync();
        await SettleAsync("a");
        var watch = await _agent.NextAsync($"{Look}?hash=a&wait=60000ms");

        var disposing = registration.DisposeAsync();
        (await _agent.NextAsync(Deregister)).Ok();
        await disposing;

        Assert.Equal("s3cret", watch.Token);
        Assert.True(_agent.IsQuiet);
        Assert.Empty(_logger.Collector.GetSnapshot());
    }

    [Fact]
    public async Task Start_Refused_ThrowsAndWatchesNothing()
    {
        var starting = ConsulRegistration.StartAsync(
            _client, _options, _time, new FixedRandom(0), _logger, s_instance, TestContext.Current.CancellationToken);
        (await _agent.NextAsync(Register)).Refuse(403, "Permission denied");

        var failure = await Assert.ThrowsAsync<ConsulException>(() => starting);

        Assert.Contains("needs the right service \"web\" { policy = \"write\" }", failure.Message, StringComparison.Ordinal);
        Assert.True(_agent.IsQuiet);
    }

    [Fact]
    public async Task Start_CancelledMeanwhile_WithdrawsWhatWasRegistered()
    {
        using var cancel = new CancellationTokenSource();
        var starting = ConsulRegistration.StartAsync(
            _client, _options, _time, new FixedRandom(0), _logger, s_instance, cancel.Token);
        var register = await _agent.NextAsync(Register);
        await cancel.CancelAsync();
        Assert.False(starting.IsCompleted);
        register.Ok();
        (await _agent.NextAsync(Deregister)).Ok();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
    }

    [Fact]
    public async Task Loss_Seen_RegistersAtOnceAndIsLoggedOnce()
    {
        await StartAsync();
        await SettleAsync("a");
        (await _agent.NextAsync($"{Look}?hash=a")).Refuse(404, "unknown service ID: web-1");
        (await _agent.NextAsync(Register)).Ok();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "b" }""");
        await _agent.NextAsync($"{Look}?hash=b");

        Assert.Equal([1150, 1151], Logged());
    }

    [Fact]
    public async Task Loss_RegistrationFailsAWhile_IsLoggedOnceAndHealed()
    {
        await StartAsync();
        await SettleAsync("a");
        (await _agent.NextAsync(Look)).Refuse(404, "unknown service ID: web-1");
        for (var i = 0; i < 3; i++)
        {
            (await _agent.NextAsync(Register)).Refuse(403, "Permission denied");
            await _time.PassAsync();
            (await _agent.NextAsync(Look)).Refuse(404, "unknown service ID: web-1");
        }

        (await _agent.NextAsync(Register)).Ok();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "b" }""");
        await _agent.NextAsync($"{Look}?hash=b");

        Assert.Equal([1150, 1153, 1151, 1154], Logged());
        var error = _logger.Collector.GetSnapshot()[1];
        Assert.Equal(LogLevel.Error, error.Level);
        Assert.Contains("needs the right service \"web\"", error.Exception!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_logger.Collector.GetSnapshot(), static log => $"{log}{log.Exception}".Contains("s3cret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connection_Broken_LooksAgainWithGrowingPausesAndWithoutAHash()
    {
        await StartAsync();
        await SettleAsync("a");
        (await _agent.NextAsync($"{Look}?hash=a")).Break();
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 6; i++)
        {
            pauses.Add(await _time.PassAsync());
            var look = await _agent.NextAsync(Look);
            Assert.DoesNotContain("hash", look.Line, StringComparison.Ordinal);
            look.Break();
        }

        await _time.PassAsync();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync(Checks)).Ok(HasCheck);
        await _agent.NextAsync($"{Look}?hash=a");

        // The source of randomness says 0.5 always: three quarters of 250 ms, doubled to at most 2 s.
        Assert.Equal([187, 375, 750, 1500, 1500, 1500], pauses.Select(static pause => pause.TotalMilliseconds));
        Assert.Equal([1152, 1154], Logged());
    }

    [Fact]
    public async Task Check_Vanished_RegistersAgain()
    {
        await StartAsync();
        await SettleAsync("a");
        var watch = await _agent.NextAsync($"{Look}?hash=a");
        _time.Advance(TimeSpan.FromSeconds(60));
        watch.Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync(Checks)).Ok("{}");
        (await _agent.NextAsync(Register)).Ok();
        await _agent.NextAsync($"{Look}?hash=a");

        Assert.Equal([1150, 1151], Logged());
    }

    [Theory]
    [InlineData(500, "Unknown check \"service:web-1\"")]
    [InlineData(500, "CheckID \"service:web-1\" does not have associated TTL")]
    [InlineData(404, "Unknown check ID \"service:web-1\"")]
    public async Task Ttl_CheckUnknown_RegistersAgain(int status, string text)
    {
        _options.Check.Type = ConsulCheckType.Ttl;
        _options.Check.Interval = TimeSpan.FromSeconds(6);
        await StartAsync();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync(Pass)).Ok();
        var watch = await _agent.NextAsync($"{Look}?hash=a&wait=2000ms");
        _time.Advance(TimeSpan.FromSeconds(2));
        watch.Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync(Pass)).Refuse(status, text);
        (await _agent.NextAsync(Register)).Ok();
        await _agent.NextAsync($"{Look}?hash=a");

        Assert.Equal([1150, 1151], Logged());
    }

    [Fact]
    public async Task Ttl_OtherFailure_IsNoLoss()
    {
        _options.Check.Type = ConsulCheckType.Ttl;
        await StartAsync();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync(Pass)).Refuse(500, "No cluster leader");
        await _time.PassAsync();
        await _agent.NextAsync(Look);

        Assert.Equal([1152], Logged());
    }

    [Fact]
    public async Task Agent_ThatHoldsNoQueries_IsPolled()
    {
        _options.Check.Type = ConsulCheckType.None;
        await StartAsync();
        (await _agent.NextAsync(Look)).Ok("""{ "ContentHash": "a" }""");
        (await _agent.NextAsync($"{Look}?hash=a")).Ok("""{ "ContentHash": "a" }""");
        var pause = await _time.PassAsync();
        await _agent.NextAsync(Look);

        Assert.Equal(TimeSpan.FromSeconds(1), pause);
    }

    [Theory]
    [InlineData(500, "Unknown service {\"web-1\" {}}")]
    [InlineData(404, "Unknown service ID \"web-1\"")]
    public async Task Dispose_AlreadyGone_IsFine(int status, string text)
    {
        var registration = await StartAsync();
        await _agent.NextAsync(Look);
        var disposing = registration.DisposeAsync();
        (await _agent.NextAsync(Deregister)).Refuse(status, text);

        await disposing;
        await registration.DisposeAsync();
        Assert.True(_agent.IsQuiet);
    }

    [Fact]
    public async Task Dispose_NoAnswer_ThrowsAfterTheLimit()
    {
        var registration = await StartAsync();
        await _agent.NextAsync(Look);
        var disposing = registration.DisposeAsync().AsTask();
        await _agent.NextAsync(Deregister);
        _time.Advance(_options.RequestTimeout);

        var failure = await Assert.ThrowsAsync<ConsulException>(() => disposing);
        Assert.Contains("did not answer PUT /v1/agent/service/deregister/web-1 within 10 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dispose_RegistrationUnderWay_WaitsForItAndWithdrawsAfterwards()
    {
        var registration = await StartAsync();
        (await _agent.NextAsync(Look)).Refuse(404, "");
        var register = await _agent.NextAsync(Register);
        var disposing = registration.DisposeAsync().AsTask();
        Assert.True(_agent.IsQuiet);
        register.Ok();
        (await _agent.NextAsync(Deregister)).Ok();

        await disposing;
    }

    private async Task<ConsulRegistration> StartAsync()
    {
        var starting = ConsulRegistration.StartAsync(
            _client, _options, _time, new FixedRandom(0), _logger, s_instance, TestContext.Current.CancellationToken);
        (await _agent.NextAsync(Register)).Ok();
        return await starting;
    }

    /// <summary>Answers the first look.</summary>
    private async Task SettleAsync(string hash)
    {
        (await _agent.NextAsync(Look)).Ok($$"""{ "ContentHash": "{{hash}}" }""");
        (await _agent.NextAsync(Checks)).Ok(HasCheck);
    }

    private IEnumerable<int> Logged() => _logger.Collector.GetSnapshot().Select(static log => log.Id.Id);
}
