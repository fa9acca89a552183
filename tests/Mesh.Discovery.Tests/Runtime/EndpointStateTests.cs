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

    private sealed class Transport : IDisposable
    {
        private int _count;

        public int Count => _count;

        public void Dispose() => Interlocked.Increment(ref _count);
    }
}
