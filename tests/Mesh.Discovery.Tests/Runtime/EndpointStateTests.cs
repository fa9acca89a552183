using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Discovery.Tests.Runtime;

public class EndpointStateTests
{
    private readonly EndpointState _state = new(new ServiceName("reviews", "prod"), new Endpoint { Address = new Uri("http://10.0.0.1:81") });

    [Fact]
    public void Retire_NothingInFlight_ClosesAtOnce()
    {
        var transport = Open();

        _state.Retire();

        Assert.Equal(1, transport.Count);
    }

    [Fact]
    public void Retire_InFlight_ClosesWhenTheLastLeaves()
    {
        var transport = Open();
        _state.Enter();
        _state.Enter();

        _state.Retire();
        _state.Leave();
        Assert.Equal(0, transport.Count);
        _state.Leave();

        Assert.Equal(1, transport.Count);
        Assert.Equal(0, _state.InFlight);
    }

    [Fact]
    public void Leave_NotRetired_StaysOpen()
    {
        var transport = Open();
        _state.Enter();
        _state.Leave();

        Assert.Equal(0, transport.Count);
    }

    [Fact]
    public void Retire_TransportIsMadeAfter_ClosesWithItsFirstUser()
    {
        _state.Enter();
        _state.Retire();
        var transport = Open();
        _state.Leave();

        Assert.Equal(1, transport.Count);
    }

    [Fact]
    public async Task RetireAndLeave_AtOnce_OneOfThemCloses()
    {
        for (var i = 0; i < 2_000; i++)
        {
            var state = new EndpointState(default, new Endpoint { Address = new Uri("http://h") });
            var transport = new Transport();
            state.Transport = transport;
            state.Enter();
            using var gate = new Barrier(2);
            var leave = Task.Run(() =>
            {
                gate.SignalAndWait(TestContext.Current.CancellationToken);
                state.Leave();
            }, TestContext.Current.CancellationToken);
            gate.SignalAndWait(TestContext.Current.CancellationToken);
            state.Retire();
            await leave;

            Assert.InRange(transport.Count, 1, 2);
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Endpoint_SpeaksMtlsNow_TakesNewConnections(bool speaks, bool isReplaced)
    {
        var transport = new Transport();
        _state.Transport = transport;
        var generation = _state.Generation;

        _state.Endpoint = _state.Endpoint with { Weight = 7, SpeaksMtls = speaks };

        Assert.Equal(isReplaced, _state.Transport is null);
        Assert.Equal(isReplaced ? 1 : 0, transport.Replacements);
        Assert.Equal(isReplaced, _state.Generation != generation);
        Assert.Equal(0, transport.Count);
    }

    [Fact]
    public void Tls_OtherSettings_TakeNewConnectionsAndEqualOnesDoNot()
    {
        _state.Tls = new TlsSettingsConfig { Mode = TlsMode.Mesh, SubjectAltNames = ["a"] };
        var transport = new Transport();
        _state.Transport = transport;

        _state.Tls = new TlsSettingsConfig { Mode = TlsMode.Mesh, SubjectAltNames = ["a"] };
        Assert.Equal(0, transport.Replacements);

        _state.Tls = new TlsSettingsConfig { Mode = TlsMode.Mesh, SubjectAltNames = ["b"] };
        Assert.Equal(1, transport.Replacements);
        Assert.Null(_state.Transport);
    }

    [Fact]
    public void Names_OfAnEndpoint_AreItsAuthority()
    {
        Assert.Equal("10.0.0.1:81", _state.Id);
        Assert.Equal("reviews.prod 10.0.0.1:81", _state.ToString());
    }

    private Transport Open()
    {
        var transport = new Transport();
        _state.Transport = transport;
        return transport;
    }

    private sealed class Transport : IReplaceableTransport
    {
        public int Replacements { get; private set; }

        public void Replaced() => Replacements++;

        private int _count;

        public int Count => _count;

        public void Dispose() => Interlocked.Increment(ref _count);
    }
}
