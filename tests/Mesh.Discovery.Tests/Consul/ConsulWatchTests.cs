using System.Text;
using Mesh.Discovery.Consul;

namespace Mesh.Discovery.Tests.Consul;

public sealed class ConsulWatchTests : WatchFixture
{
    private static readonly string s_one = Entries("10.0.0.1");
    private static readonly string s_two = Entries("10.0.0.1", "10.0.0.2");

    [Fact]
    public async Task Query_FirstHasNoIndex_NextWaitsFromTheIndex()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}?stale", s_one, 7);
        Assert.Single((await follower.NextAsync()).Value);

        var next = await Agent.NextAsync();
        Assert.Equal($"GET {Path}?stale&index=7&wait=60000ms", next.Line);
        next.Ok(s_two, 9);
        Assert.Equal(2, (await follower.NextAsync()).Value.Length);
        await Time.PassAsync(50);
        await Agent.NextAsync($"GET {Path}?stale&index=9&");
    }

    [Fact]
    public async Task Query_WithoutStale_AsksTheLeader()
    {
        Options.Discovery.Consul.AllowStale = false;
        Options.Discovery.Consul.Datacenter = "dc2";
        Follow();
        Assert.Equal($"GET {Path}?dc=dc2", (await Agent.NextAsync()).Line);
    }

    [Fact]
    public async Task Index_OfZero_IsOne()
    {
        Follow();
        await AnswerAsync($"GET {Path}", s_one, 0);
        await Agent.NextAsync($"GET {Path}?stale&index=1&");
    }

    public static TheoryData<int, string> Failures => new()
    {
        { 200, "garbage" },
        { 200, "<html><body>login</body></html>" },
        { 200, s_two[..40] },
        { 200, "" },
        { 200, "null" },
        { 200, """{ "not": "a list" }""" },
        { 200, """[ { "Service": { "Port": "x" } } ]""" },
        { 500, "No cluster leader" },
        { 500, "rpc error making call: EOF" },
        { 500, "something else" },
        { 429, "Your IP is issuing too many concurrent connections" },
        { 403, "ACL not found" },
        { 404, "" },
        { 301, "" },
        { 0, "" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Failure_OfAnyKind_KeepsTheViewAsksWithoutIndexAndTellsOnce(int status, string body)
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_one, 7);
        await follower.NextAsync();

        await FailAsync(await Agent.NextAsync($"GET {Path}?stale&index=7"));
        foreach (var pause in (double[])[250, 500, 1000, 2000, 4000, 5000])
        {
            await Time.PassAsync(pause);
            await FailAsync(await Agent.NextAsync());
        }

        Assert.True(follower.IsQuiet);
        Assert.Single(Logged);

        await Time.PassAsync(5000);
        var good = await Agent.NextAsync();
        Assert.Equal($"GET {Path}?stale", good.Line);
        good.Ok(s_two, 8);
        Assert.Equal(2, (await follower.NextAsync()).Value.Length);
        await Time.PassAsync(50);
        await FailAsync(await Agent.NextAsync($"GET {Path}?stale&index=8&"));
        await Time.PassAsync(250);
        await Agent.NextAsync();
        Assert.Equal(3, Logged.Length);
        Assert.Equal(Logged[0], Logged[2]);

        Task FailAsync(FakeConsul.Call call)
        {
            if (status == 0)
            {
                call.Break();
            }
            else
            {
                Answer(call, status, body, ("X-Consul-Index", "99"));
            }

            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Refusal_ThenTheSameAsBefore_IsRecoveredAndToldWhenItComesAgain()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_one, 7);
        await follower.NextAsync();
        (await Agent.NextAsync()).Refuse(403, "ACL not found");
        await Time.PassAsync(250);
        await AnswerAsync($"GET {Path}", s_one, 7);
        (await Agent.NextAsync($"GET {Path}?stale&index=7")).Refuse(403, "ACL not found");
        await Time.PassAsync(250);
        await Agent.NextAsync();

        Assert.Equal([311, 312, 311], Logged);
        Assert.True(follower.IsQuiet);
        Assert.Single(Consul.Status.Refused);
    }

    [Fact]
    public async Task Refusal_AfterTheAgentWasGone_SaysThatItIsBack()
    {
        Follow();
        (await Agent.NextAsync()).Break();
        await Time.PassAsync(250);
        (await Agent.NextAsync()).Refuse(403, "ACL not found");
        await Time.PassAsync(500);
        await Agent.NextAsync();

        Assert.Equal([301, 302, 311], Logged);
        Assert.Null(Consul.Status.Error);
    }

    [Fact]
    public async Task Silence_LongerThanTheWaitAndTheLimit_IsAFailure()
    {
        Follow();
        await AnswerAsync($"GET {Path}", s_one, 7);
        await Agent.NextAsync();
        Time.Advance(TimeSpan.FromSeconds(73));
        Assert.Empty(Logged);
        Time.Advance(TimeSpan.FromSeconds(1));
        await Time.PassAsync(250);
        Assert.Equal($"GET {Path}?stale", (await Agent.NextAsync()).Line);
        Assert.Equal([301], Logged);
    }

    [Fact]
    public async Task NoLeader_InTheHeader_IsAppliedAndTold()
    {
        var follower = Follow();
        Answer(await Agent.NextAsync(), 200, s_one, ("X-Consul-Index", "7"), ("X-Consul-KnownLeader", "false"));
        Assert.True((await follower.NextAsync()).AfterTrouble);
        await Time.PassAsync(50);
        Answer(await Agent.NextAsync(), 200, s_one, ("X-Consul-Index", "7"), ("X-Consul-KnownLeader", "false"));
        await Time.PassAsync(50);
        Answer(await Agent.NextAsync(), 200, s_one, ("X-Consul-Index", "7"), ("X-Consul-KnownLeader", "true"));
        await Time.PassAsync(50);
        await Agent.NextAsync();

        Assert.Equal([301, 302], Logged);
        Assert.True(follower.IsQuiet);
    }

    [Fact]
    public async Task Index_GoesBack_IsDataLostUntilSomethingIsBelieved()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_two, 70);
        Assert.False((await follower.NextAsync()).DataLost);

        follower.Verdict = WatchVerdict.Kept;
        await AnswerAsync($"GET {Path}", "[]", 3);
        var lost = await follower.NextAsync();
        Assert.True(lost.DataLost);
        Assert.True(lost.AfterTrouble);

        // Doubted: the leader is asked, from where it is now.
        follower.Verdict = WatchVerdict.Believed(isSaved: true);
        var next = await Agent.NextAsync();
        Assert.Equal($"GET {Path}?index=3&wait=60000ms", next.Line);
        next.Ok(s_one, 4);
        Assert.True((await follower.NextAsync()).DataLost);
        await Time.PassAsync(50);
        await AnswerAsync($"GET {Path}?stale", s_two, 5);
        Assert.False((await follower.NextAsync()).DataLost);
        Assert.Equal([313], Logged);
    }

    [Fact]
    public async Task Index_GoesBackWithTheSameContent_NothingIsLost()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_two, 70);
        await follower.NextAsync();
        await AnswerAsync($"GET {Path}", s_two, 3);
        await AnswerAsync($"GET {Path}", "[]", 80);

        Assert.False((await follower.NextAsync()).DataLost);
    }

    [Fact]
    public async Task Doubt_LooksAgainAfterTheTime_AndNeverWaitsForNoTime()
    {
        var follower = Follow();
        follower.Verdict = new WatchVerdict(false, false, TimeSpan.FromMilliseconds(0.2));
        await AnswerAsync($"GET {Path}", s_two, 70);

        Assert.Equal($"GET {Path}?index=70&wait=1ms", (await Agent.NextAsync()).Line);
    }

    [Fact]
    public async Task Body_Unchanged_IsNotAppliedAgain()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_one, 7);
        await follower.NextAsync();
        await AnswerAsync($"GET {Path}", s_one, 8);
        await AnswerAsync($"GET {Path}?stale&index=8", s_one, 8);
        await Agent.NextAsync();

        Assert.True(follower.IsQuiet);
    }

    [Theory]
    [InlineData(0, 125)]
    [InlineData(0.9, 350)]
    public async Task Pause_IsJittered(double random, double pause)
    {
        Random = random;
        Follow();
        (await Agent.NextAsync()).Break();
        await Time.PassAsync(pause);
        await Agent.NextAsync();
    }

    [Fact]
    public async Task Pause_EndsWhenAnotherWatchHearsTheAgent_ButNotTwiceInARow()
    {
        Follow();
        var other = Follow("other");
        FakeConsul.Call[] calls = [await Agent.NextAsync(), await Agent.NextAsync()];
        calls.Single(static call => call.Line.StartsWith($"GET {Path}", StringComparison.Ordinal)).Break();
        await Until(() => Logged.Length == 1);
        calls.Single(static call => !call.Line.StartsWith($"GET {Path}", StringComparison.Ordinal)).Ok(s_one, 7);
        await other.NextAsync();

        // Without any time gone by.
        (await Agent.NextAsync($"GET {Path}")).Break();
        await Until(() => Logged.Length == 3);
        await Time.PassAsync(50);
        (await Agent.NextAsync("GET /v1/health/service/other?stale&index=7")).Ok(s_two, 8);
        await other.NextAsync();
        Assert.Equal([301, 302, 301, 302], Logged);
        Assert.True(Agent.IsQuiet);
    }

    [Fact]
    public async Task Follower_ThatThrows_IsToldAndAskedAgain()
    {
        var follower = Follow();
        follower.Failure = new FormatException("nobody thought of it");
        (await Agent.NextAsync()).Ok(s_one, 7);
        await follower.NextAsync();
        follower.Failure = null;
        await Time.PassAsync(250);
        await AnswerAsync($"GET {Path}", s_one, 7);

        Assert.Single((await follower.NextAsync()).Value);
        Assert.Equal([311, 312], Logged);
        Assert.Contains("nobody thought of it", Logger.Collector.GetSnapshot()[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Saved_SilenceOfASecond_IsUsedAndReplacedByTheAnswer()
    {
        Save(Path, s_two);
        var follower = Follow();
        var call = await Agent.NextAsync();
        Assert.True(follower.IsQuiet);
        await Time.PassAsync(1000);

        var saved = await follower.NextAsync();
        Assert.Equal(2, saved.Value.Length);
        Assert.True(saved.IsRestored);
        await Until(() => Consul.Status.SavedViewOf is not null);
        call.Ok(s_one, 7);
        Assert.Single((await follower.NextAsync()).Value);
        await Agent.NextAsync();
        Assert.Null(Consul.Status.SavedViewOf);
        Assert.Equal([303, 304], Logged);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(403)]
    [InlineData(500)]
    public async Task Saved_Refusal_IsUsedAtOnce(int status)
    {
        Save(Path, s_two);
        var follower = Follow();
        var call = await Agent.NextAsync();
        if (status == 0)
        {
            call.Break();
        }
        else
        {
            call.Refuse(status, "no");
        }

        Assert.True((await follower.NextAsync()).IsRestored);
        await Time.PassAsync(250);
        await AnswerAsync($"GET {Path}", s_one, 7);
        Assert.False((await follower.NextAsync()).IsRestored);
        await Agent.NextAsync();
        Assert.Null(Consul.Status.SavedViewOf);
        Assert.True(follower.HasFailed);
    }

    [Fact]
    public async Task Saved_TheAgentWasHeard_IsNotUsed()
    {
        var follower = Follow();
        await AnswerAsync($"GET {Path}", s_one, 7);
        await follower.NextAsync();
        Save(Path, s_two);
        (await Agent.NextAsync()).Break();
        await Time.PassAsync(250);
        await Agent.NextAsync();
        Time.Advance(TimeSpan.FromSeconds(2));

        Assert.True(follower.IsQuiet);
        Assert.Null(Consul.Status.SavedViewOf);
    }

    [Fact]
    public async Task Saved_Unreadable_IsToldAndTheAnswerIsAwaited()
    {
        Save(Path, """{ "no": "list" }""");
        var follower = Follow();
        var call = await Agent.NextAsync();
        await Time.PassAsync(1000);
        call.Ok(s_one, 7);

        Assert.Single((await follower.NextAsync()).Value);
        Assert.Contains(314, Logged);
    }

    [Fact]
    public async Task Failed_NothingSaved_AfterFiveSeconds()
    {
        Random = 0.6;
        var follower = Follow();
        foreach (var pause in (double[])[275, 550, 1100, 2200])
        {
            (await Agent.NextAsync()).Break();
            await Time.PassAsync(pause);
        }

        (await Agent.NextAsync()).Break();
        await Time.PassAsync(4400);
        Assert.False(follower.HasFailed);
        (await Agent.NextAsync()).Break();
        await Time.PassAsync(5500);
        await Agent.NextAsync();
        Assert.True(follower.HasFailed);
    }

    private void Save(string query, string body)
    {
        using var views = new SavedViews(Directory, Time, Logger);
        views.Save(query, Encoding.UTF8.GetBytes(body));
    }

    private static async Task Until(Func<bool> condition)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(60), "never happened");
            await Task.Yield();
        }
    }
}
