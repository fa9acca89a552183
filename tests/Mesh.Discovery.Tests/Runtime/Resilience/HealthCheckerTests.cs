using System.Collections.Concurrent;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

public sealed class HealthCheckerTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly ResilienceFixture _mesh = new();
    private readonly ScriptedProber _prober = new();

    public HealthCheckerTests() => _mesh.Context.Prober = _prober;

    public void Dispose() => _mesh.Service.Stop();

    [Fact]
    public void Check_FailsThreeTimes_TakesTheEndpointOutUntilItPassesTwice()
    {
        Start(1, 2, 3);
        _prober.Problems[2] = "503";

        Round();
        Assert.Equal("1 2 3", _mesh.Used);
        Round();
        Assert.Equal("1 2 3", _mesh.Used);
        Round();
        Assert.Equal("1 3", _mesh.Used);
        Assert.Contains("10.0.0.1:1002 of reviews.prod fails its health checks and takes no traffic (3 in a row, the last one: 503).", Assert.Single(_mesh.Warnings));
        Assert.Equal("503", _mesh.Service.Checks!.ProblemOf(_mesh.At(2)));

        _prober.Problems.Clear();
        Round();
        Assert.Equal("1 3", _mesh.Used);
        Round();
        Assert.Equal("1 2 3", _mesh.Used);
        Assert.Null(_mesh.Service.Checks!.ProblemOf(_mesh.At(2)));
    }

    [Fact]
    public void Check_FailsNowAndThen_ChangesNothing()
    {
        Start(1, 2, 3);
        for (var i = 0; i < 4; i++)
        {
            _prober.Problems[1] = "503";
            Round();
            Round();
            _prober.Problems.Clear();
            Round();
        }

        Assert.Equal("1 2 3", _mesh.Used);
    }

    [Fact]
    public void Check_TooFewPass_AreIgnoredAndSaidSo()
    {
        Start(1, 2, 3, 4);
        _prober.Problems[1] = _prober.Problems[2] = _prober.Problems[3] = "404";

        Round();
        Round();
        Round();

        Assert.Equal("1 2 3 4", _mesh.Used);
        Assert.True(_mesh.View.IsPanicking);
        Assert.Contains(_mesh.Warnings, static w => w.StartsWith("reviews.prod ignores its health checks: 1 of 4 endpoints pass", StringComparison.Ordinal));
        _prober.Problems.Clear();
        Round();
        Round();
        Assert.False(_mesh.View.IsPanicking);
    }

    [Fact]
    public void Check_EndpointsComeAndGo_ChecksFollow()
    {
        Start(1, 2, 3);
        Round();
        _mesh.With(2, 3, 4);

        // The new one begins at once.
        _mesh.Pass(0.01);
        Assert.Equal([1, 2, 3, 4], _prober.Asked);
        Round();
        Assert.Equal(1, _prober.Asked.Count(static n => n == 1));
    }

    [Fact]
    public void Check_NoAnswer_IsAFailureAfterItsTimeout()
    {
        Start(1, 2, 3);
        _prober.Hangs[3] = true;

        // What hangs goes on elsewhere when it is cancelled, so the clock waits for it.
        Assert.True(SpinWait.SpinUntil(
            () =>
            {
                _mesh.Pass(1);
                return _mesh.Used == "1 2";
            },
            s_patience));
        Assert.Contains("no answer within 2 s", _mesh.Warnings[0]);
    }

    [Fact]
    public void Check_RuleIsGone_SoAreTheChecks()
    {
        Start(1, 2, 3);
        _prober.Problems[2] = "503";
        Round();
        Round();
        Round();
        Assert.Equal("1 3", _mesh.Used);

        _mesh.Use(null);

        Assert.Equal("1 2 3", _mesh.Used);
        Assert.Null(_mesh.Service.Checks);
    }

    private void Start(params int[] endpoints)
    {
        _mesh.With(endpoints);
        _mesh.Service.SetPolicy(
            new DestinationRuleConfig
            {
                Location = new SourceLocation("test", ""),
                Namespace = "prod",
                Name = "reviews",
                Host = "reviews",
                TrafficPolicy = new TrafficPolicyConfig { HealthCheck = new HealthCheckConfig() },
            },
            isPassThrough: false);
        Assert.Null(_mesh.Service.Checks);
        _mesh.Destination.Retries.Deposit(_mesh.Time.GetTimestamp());
    }

    /// <summary>The next check of every endpoint; all of it happens within the clock's own call.</summary>
    private void Round()
    {
        var before = _prober.Asked.Count;
        _mesh.Pass(before == 0 ? 0.01 : 10.01);
        Assert.Equal(before + _mesh.Service.Endpoints.Length, _prober.Asked.Count);
    }

    private sealed class ScriptedProber : IEndpointProber
    {
        public ConcurrentDictionary<int, string> Problems { get; } = new();

        public ConcurrentDictionary<int, bool> Hangs { get; } = new();

        public ConcurrentQueue<int> Asked { get; } = new();

        public async Task<string?> ProbeAsync(EndpointState endpoint, HealthCheckConfig check, CancellationToken cancel)
        {
            var number = endpoint.Endpoint.Address.Port - 1000;
            Asked.Enqueue(number);
            if (Hangs.ContainsKey(number))
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancel);
            }

            return Problems.GetValueOrDefault(number);
        }
    }
}
