using Mesh.Client.Security;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests.Security;

public sealed class AgendaTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(SecuredMesh.Present);
    private readonly Agenda _agenda;
    private readonly List<string> _done = [];

    public AgendaTests() => _agenda = new Agenda(_time);

    [Fact]
    public void Run_InTheOrderOfTheirTimes_EachOnce()
    {
        Add("c", 30);
        Add("a", 10);
        Add("b", 20);
        Add("b2", 20);

        Advance(9);
        Assert.Empty(_done);
        Advance(1);
        Assert.Equal(["a"], _done);
        Advance(100);
        Assert.Equal(["a", "b", "b2", "c"], _done);
        Assert.Equal(0, _agenda.Count);
    }

    [Fact]
    public void Set_Again_MovesIt()
    {
        var item = Add("a", 10);
        _agenda.Set(item, SecuredMesh.Present.AddSeconds(200));

        Advance(199);
        Assert.Empty(_done);
        Advance(1);
        Assert.Equal(["a"], _done);
    }

    [Fact]
    public void Remove_IsForGood()
    {
        var item = Add("a", 10);
        _agenda.Remove(item);
        _agenda.Set(item, SecuredMesh.Present.AddSeconds(20));

        Advance(100);
        Assert.Empty(_done);
        Assert.Equal(0, _agenda.Count);
    }

    [Fact]
    public void Run_TheClockIsSet_IsNotLaterThanAMinute()
    {
        Add("a", 3600);
        _time.AdjustTime(SecuredMesh.Present.AddHours(2));

        Advance(60);

        Assert.Equal(["a"], _done);
    }

    public void Dispose() => _agenda.Dispose();

    private void Advance(int seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    private Item Add(string name, int seconds)
    {
        var item = new Item(() => _done.Add(name));
        _agenda.Set(item, SecuredMesh.Present.AddSeconds(seconds));
        return item;
    }

    private sealed class Item(Action run) : AgendaItem
    {
        public override void Run(DateTimeOffset now) => run();
    }
}
