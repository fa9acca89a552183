using Mesh.Client.Pipeline;
using Microsoft.Extensions.Time.Testing;

namespace Mesh.Client.Tests;

public sealed class MeshRequestContextTests
{
    [Fact]
    public void Remaining_AsTimePasses_EndsAtZero()
    {
        var time = new FakeTimeProvider();
        var context = Create(time, TimeSpan.FromSeconds(2));

        Assert.Equal(TimeSpan.FromSeconds(2), context.Remaining);
        time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal(TimeSpan.FromSeconds(0.5), context.Remaining);
        Assert.False(context.HasExpired);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.Zero, context.Remaining);
        Assert.True(context.HasExpired);
    }

    [Fact]
    public void Remaining_NoDeadline_IsNull()
    {
        var context = new MeshRequestContext(TimeProvider.System, MeshRequestContext.NoDeadline, RequestPriority.Default);

        Assert.Null(context.Remaining);
        Assert.False(context.HasExpired);
    }

    [Fact]
    public void Add_HugeTime_IsNoDeadline()
    {
        var time = new FakeTimeProvider();

        Assert.Equal(MeshRequestContext.NoDeadline, new Timestamps(time).Add(time.GetTimestamp(), TimeSpan.MaxValue));
    }

    [Fact]
    public async Task WithPriority_InsideARequest_KeepsItsDeadlineAndEnds()
    {
        var time = new FakeTimeProvider();
        MeshRequestContext.Set(Create(time, TimeSpan.FromSeconds(2)));

        using (MeshRequestContext.WithPriority(RequestPriority.Sheddable))
        {
            await Task.Yield();
            Assert.Equal(RequestPriority.Sheddable, MeshRequestContext.Current?.Priority);
            Assert.Equal(TimeSpan.FromSeconds(2), MeshRequestContext.Current?.Remaining);
        }

        Assert.Equal(RequestPriority.Default, MeshRequestContext.Current?.Priority);
    }

    [Fact]
    public void Answered_OnlyTheDeadlineOfTheCallHolds()
    {
        var time = new FakeTimeProvider();
        var now = time.GetTimestamp();
        var request = Create(time, TimeSpan.FromSeconds(2));
        var call = new MeshRequestContext(time, now + 10, RequestPriority.Default, now + time.TimestampFrequency);
        MeshRequestContext.Set(request);
        using var urgent = MeshRequestContext.WithPriority(RequestPriority.Critical);

        request.Answered();
        call.Answered();

        Assert.Null(request.Remaining);
        Assert.Null(MeshRequestContext.Current?.Remaining);
        Assert.Equal(TimeSpan.FromSeconds(1), call.Remaining);
    }

    [Fact]
    public void Current_OfARequestThatHasEnded_IsNone()
    {
        var request = Create(new FakeTimeProvider(), TimeSpan.FromSeconds(2));
        MeshRequestContext.Set(request);
        using var sheddable = MeshRequestContext.WithPriority(RequestPriority.Sheddable);

        request.End();

        Assert.Equal((RequestPriority.Sheddable, null), (MeshRequestContext.Current?.Priority, MeshRequestContext.Current?.Remaining));
        sheddable.Dispose();
        Assert.Null(MeshRequestContext.Current);
        using var critical = MeshRequestContext.WithPriority(RequestPriority.Critical);
        Assert.Equal((RequestPriority.Critical, null), (MeshRequestContext.Current?.Priority, MeshRequestContext.Current?.Remaining));
    }

    [Fact]
    public void Detach_InsideARequest_HidesItUntilDisposed()
    {
        var context = Create(new FakeTimeProvider(), TimeSpan.FromSeconds(2));
        MeshRequestContext.Set(context);

        using (MeshRequestContext.Detach())
        {
            Assert.Null(MeshRequestContext.Current);
        }

        Assert.Same(context, MeshRequestContext.Current);
    }

    [Fact]
    public void WithPriority_OutsideARequest_HasNoDeadline()
    {
        using (MeshRequestContext.WithPriority(RequestPriority.Critical))
        {
            Assert.Equal(RequestPriority.Critical, MeshRequestContext.Current?.Priority);
            Assert.Null(MeshRequestContext.Current?.Remaining);
        }

        Assert.Null(MeshRequestContext.Current);
    }

    private static MeshRequestContext Create(TimeProvider time, TimeSpan timeout) =>
        new(time, new Timestamps(time).Add(time.GetTimestamp(), timeout), RequestPriority.Default);
}
