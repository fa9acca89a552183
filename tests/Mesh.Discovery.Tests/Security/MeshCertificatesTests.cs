using System.Diagnostics.Metrics;
using Mesh.Discovery.Security;
using Mesh.Discovery.Tests.Routing;
using Mesh.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Discovery.Tests.Security;

public sealed class MeshCertificatesTests : IAsyncDisposable
{
    private static readonly DateTimeOffset s_now = new(2041, 5, 6, 7, 8, 9, TimeSpan.Zero);
    private static readonly TimeSpan s_hour = TimeSpan.FromHours(1);

    private readonly FakeTimeProvider _time = new(s_now);
    private readonly FakeLogCollector _logs = new();
    private readonly TestAuthority _authority = new(now: s_now);
    private readonly TestCertificateSource _source = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly IMeterFactory _meters;
    private readonly MeshCertificates _certificates;
    private readonly SemaphoreSlim _changed = new(0);

    public MeshCertificatesTests()
    {
        _meters = _services.GetRequiredService<IMeterFactory>();
        _certificates = new MeshCertificates(_source, _time, new FixedRandom(0), new FakeLogger<MeshCertificates>(_logs), _meters);
        _certificates.Changed += () => _changed.Release();
        _certificates.Start();
    }

    public async ValueTask DisposeAsync()
    {
        await _certificates.DisposeAsync();
        await _services.DisposeAsync();
        _changed.Dispose();
    }

    [Fact]
    public async Task Current_FirstSet_IsTheProcessAndIsLogged()
    {
        Assert.Null(_certificates.Current);
        Assert.False(_certificates.HasExpired);

        await PublishAsync(_authority.Set("web"));

        await _certificates.Ready.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Equal("web", _certificates.Current!.Set.Id.ServiceAccount);
        Assert.Equal([151], Logged);
    }

    [Fact]
    public async Task Current_SetThatIsNotValidNow_IsRefusedWhileTheOldOneIs()
    {
        var good = _authority.Set("good");
        await PublishAsync(good);
        _source.Publish(_authority.Set("expired", lifetime: -s_hour / 60));
        _source.Publish(new CertificateSet(_authority.Leaf([_authority.Id("early").ToString()], s_hour, 2 * s_hour), [], [_authority.Bundle]));

        await PublishAsync(_authority.Set("next"));

        Assert.Equal("next", _certificates.Current!.Set.Id.ServiceAccount);
        Assert.Equal([151, 152, 152, 151], Logged);
        Assert.Contains("valid from 2041-05-06 08:08:09Z to 2041-05-06 09:08:09Z", _logs.GetSnapshot()[2].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Current_NothingBetterThere_TakesWhatComes()
    {
        await PublishAsync(_authority.Set("expired", lifetime: TimeSpan.FromMinutes(-2)));
        _source.Publish(_authority.Set("older", lifetime: TimeSpan.FromMinutes(-3)));
        await PublishAsync(_authority.Set("younger", lifetime: TimeSpan.FromMinutes(-1)));

        Assert.True(_certificates.HasExpired);
        Assert.Equal("younger", _certificates.Current!.Set.Id.ServiceAccount);
    }

    [Fact]
    public async Task Current_TheSameSetAgain_ChangesNothing()
    {
        var set = _authority.Set("web");
        await PublishAsync(set);
        _source.Publish(new CertificateSet(set.Leaf, set.Intermediates, [_authority.Bundle]));
        await PublishAsync(_authority.Set("web"));

        Assert.Equal(0, _changed.CurrentCount);
        Assert.Equal([151, 151], Logged);
    }

    [Fact]
    public async Task Alarm_NoSuccessor_WarnsThenErrsThenTellsTheEnd()
    {
        // Backdated by five minutes, so that its life is 100 minutes.
        await PublishAsync(_authority.Set("web", lifetime: TimeSpan.FromMinutes(95)));
        _time.Advance(TimeSpan.FromMinutes(69));
        Assert.Equal([151], Logged);

        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal([151, 153], Logged);
        _time.Advance(TimeSpan.FromMinutes(14));
        Assert.Equal([151, 153], Logged);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal([151, 153, 154], Logged);
        Assert.False(_certificates.HasExpired);
        _time.Advance(TimeSpan.FromMinutes(10));

        Assert.Equal([151, 153, 154, 155], Logged);
        Assert.Equal([LogLevel.Warning, LogLevel.Error, LogLevel.Error], _logs.GetSnapshot().Skip(1).Select(static log => log.Level));
        Assert.Contains("spiffe://cluster.local/ns/default/sa/web has expired at 2041-05-06 08:43:09Z, and Test has", _logs.LatestRecord.Message, StringComparison.Ordinal);
        Assert.True(_certificates.HasExpired);
    }

    [Fact]
    public async Task Alarm_SuccessorInTime_IsQuietUntilItRunsOutItself()
    {
        await PublishAsync(_authority.Set("web", lifetime: TimeSpan.FromMinutes(95)));
        _time.Advance(TimeSpan.FromMinutes(50));
        await PublishAsync(new TestAuthority(_authority, _time.GetUtcNow()).Set("web", lifetime: TimeSpan.FromDays(400)));

        _time.Advance(TimeSpan.FromDays(299));
        Assert.Equal([151, 151], Logged);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Equal([151, 151, 153], Logged);
    }

    [Fact]
    public async Task Metrics_TellTheEndAndTheRotations()
    {
        using var rotations = new MetricCollector<long>(_meters, "Mesh.Discovery", "mesh.certificate.rotations");
        using var expires = new MetricCollector<double>(_meters, "Mesh.Discovery", "mesh.certificate.expires");
        expires.RecordObservableInstruments();
        Assert.Empty(expires.GetMeasurementSnapshot());
        var first = _authority.Set("web");
        var other = new TestAuthority(now: s_now);
        await PublishAsync(first);
        Assert.Empty(rotations.GetMeasurementSnapshot());
        await PublishAsync(new CertificateSet(first.Leaf, [], [new TrustBundle("cluster.local", [_authority.Root, other.Root])]));
        await PublishAsync(_authority.Set("web", lifetime: 2 * s_hour));

        Assert.Equal(["roots", "leaf"], rotations.GetMeasurementSnapshot().Select(static one => one.Tags["mesh.change"]));
        expires.RecordObservableInstruments();
        Assert.Equal(7200, expires.LastMeasurement!.Value);
        _time.Advance(3 * s_hour);
        expires.RecordObservableInstruments();
        Assert.Equal(-3600, expires.LastMeasurement!.Value);
    }

    private int[] Logged => [.. _logs.GetSnapshot().Select(static log => log.Id.Id)];

    private async Task PublishAsync(CertificateSet set)
    {
        _source.Publish(set);
        Assert.True(await _changed.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
    }
}
