using Mesh.Client.LoadBalancing.Hashing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.LoadBalancing.Hashing;

public sealed class ConsistentHashTests
{
    private const int Keys = 20_000;

    public static TheoryData<bool> Algorithms => [false, true];

    [Fact]
    public void Defaults_AreEnvoys()
    {
        Assert.Equal(1024, new ConsistentHashConfig().MinimumRingSize);
        Assert.Equal(65537, new ConsistentHashConfig().TableSize);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Pick_SameKey_SameEndpointInEveryProcessAndOrder(bool maglev)
    {
        var here = Balancers.Endpoints(3, 1, 4, 1, 5);
        EndpointState[] there = [.. Balancers.Endpoints(3, 1, 4, 1, 5).Reverse()];
        var one = Balancers.Picker(here, Header(maglev), seed: 1);
        var other = Balancers.Picker(there, Header(maglev), seed: 2);

        Assert.All(Enumerable.Range(0, 2_000), i => Assert.Equal(
            one.Pick(Balancers.Keyed(i)).Id, other.Pick(Balancers.Keyed(i)).Id));
    }

    [Theory]
    [InlineData(false, 0.25)]
    [InlineData(true, 0.05)]
    public void Pick_TenEqualEndpoints_SharesAreEven(bool maglev, double tolerance)
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 10)]);
        var counts = Owners(endpoints, Header(maglev)).CountBy(endpoint => endpoint);

        // 2000 keys each; chance alone is 2 to 7 percent, the ring's unevenness (about 100 marks each) 10.
        Assert.All(counts, count => Assert.InRange(
            count.Value, Keys / 10 * (1 - tolerance - 0.04), Keys / 10 * (1 + tolerance + 0.04)));
    }

    /// <summary>
    /// What moves besides the leaver's keys. Ring: the nine have 114 marks each where the ten had 103, and those eleven
    /// take their part. Maglev: the paper's one to two percent.
    /// </summary>
    [Theory]
    [InlineData(false, false, 0.08)]
    [InlineData(true, false, 0.02)]
    [InlineData(true, true, 0.06)]
    public void Pick_OneOfTenLeaves_OthersKeepTheirKeys(bool maglev, bool weighted, double tolerance)
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Range(0, 10).Select(i => weighted ? 1 + (i % 3) : 1)]);
        var before = Owners(endpoints, Header(maglev));
        var after = Owners(endpoints[..9], Header(maglev));

        var kept = before.Zip(after).Where(pair => pair.First != endpoints[9]).ToArray();

        Assert.InRange(kept.Count(pair => pair.First != pair.Second) / (double)kept.Length, 0, tolerance);
        Assert.Equal(9, after.Distinct().Count());
    }

    [Fact]
    public void Ring_MarksPerEndpointStay_OnlyTheKeysOfTheLeaverMove()
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 10)]);
        var before = Owners(endpoints, new ConsistentHashConfig { HttpHeaderName = "key", MinimumRingSize = 1000 });
        var after = Owners(endpoints[..9], new ConsistentHashConfig { HttpHeaderName = "key", MinimumRingSize = 900 });

        Assert.All(before.Zip(after), pair => Assert.True(pair.First == pair.Second || pair.First == endpoints[9]));
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Pick_OneOfTenJoins_TakesItsShareOnly(bool maglev)
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 10)]);
        var before = Owners(endpoints[..9], Header(maglev));
        var after = Owners(endpoints, Header(maglev));

        var moved = before.Zip(after).Count(pair => pair.First != pair.Second) / (double)Keys;

        // A tenth is its share; the ring moves more for the reason above.
        Assert.InRange(moved, 0.07, maglev ? 0.135 : 0.17);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Pick_Retry_IsTheNextDistinctEndpointForAllRequestsOfAKey(bool maglev)
    {
        var endpoints = Balancers.Endpoints(1, 1, 1, 1);
        var picker = Balancers.Picker(endpoints, Header(maglev));
        var second = new HashSet<EndpointState>();
        for (var i = 0; i < 200; i++)
        {
            var first = picker.Pick(Balancers.Keyed(i));
            var next = picker.Pick(Balancers.Keyed(i), first);

            Assert.NotSame(first, next);
            Assert.Same(next, picker.Pick(Balancers.Keyed(i), first));
            Assert.DoesNotContain(picker.Pick(Balancers.Keyed(i), first, next), new[] { first, next });
            if (first == endpoints[0])
            {
                second.Add(next);
            }
        }

        // The load of a failed endpoint spreads over all others.
        Assert.Equal(3, second.Count);
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Pick_NoKey_IsRandomByWeight(bool maglev)
    {
        var endpoints = Balancers.Endpoints(1, 3);
        var picker = Balancers.Picker(endpoints, Header(maglev));

        Assert.InRange(Balancers.WorstError(Enumerable.Range(0, Keys).Select(_ => picker.Pick()), endpoints), 0, 0.015);
        Assert.Same(endpoints[0], picker.Pick(endpoints[1]));
    }

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Pick_SourceAddress_AllRequestsOfAProcessAgree(bool maglev)
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 20)]);
        var picks = Enumerable.Range(0, 50).Select(client =>
        {
            var picker = Balancers.Factory().CreatePicker(
                endpoints,
                new LoadBalancerConfig
                {
                    Location = new SourceLocation("test"),
                    ConsistentHash = new ConsistentHashConfig { UseSourceIp = true, Maglev = maglev },
                },
                $"10.7.0.{client}");
            Assert.Same(picker.Pick(), picker.Pick(Balancers.Keyed(client)));
            return picker.Pick();
        });

        Assert.InRange(picks.Distinct().Count(), 12, 20);
    }

    [Fact]
    public void CreateAffinityCookie_ThenPick_FollowsTheCookie()
    {
        var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 20)]);
        var picker = Balancers.Picker(
            endpoints, new ConsistentHashConfig { HttpCookie = new HashCookieConfig("s", "/", TimeSpan.FromHours(1)) });
        for (var i = 0; i < 20; i++)
        {
            var fresh = new HttpRequestMessage(HttpMethod.Get, "http://a/");
            var cookie = picker.CreateAffinityCookie(fresh)!;
            var later = new HttpRequestMessage(HttpMethod.Get, "http://a/");
            later.Headers.Add("Cookie", cookie.Split(';')[0]);

            Assert.Null(picker.CreateAffinityCookie(later));
            Assert.Same(picker.Pick(fresh), picker.Pick(later));
        }

        Assert.Null(Balancers.Picker("RANDOM", endpoints).CreateAffinityCookie(Balancers.Request));
    }

    [Theory]
    [InlineData(3, null, 1026)]
    [InlineData(1, null, 1024)]
    [InlineData(2000, null, 2000)]
    [InlineData(2, "1 3", 1024)]
    [InlineData(2, "1 10000", 10001)]
    public void Ring_Size_IsEnvoys(int count, string? weights, int size)
    {
        var given = weights?.Split(' ').Select(int.Parse).ToArray();
        var ring = new RingHashTable(Balancers.Endpoints([.. Enumerable.Repeat(1, count)]), given, 1024);

        Assert.Equal(size, ring.Length);
    }

    [Fact]
    public void Ring_HugeWeights_StaysBoundedAndGivesEveryoneAMark()
    {
        var ring = new RingHashTable(Balancers.Endpoints(1, 1, 1), [1, 2_000_000_000, 1], 1024);

        Assert.InRange(ring.Length, 1024, RingHashTable.MaxGrownSize + 3);
        Assert.Equal(3, Enumerable.Range(0, ring.Length).Select(ring.OwnerOf).Distinct().Count());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1024)]
    public void Ring_Find_AgreesWithAWalkAroundTheRing(int minimumSize)
    {
        var endpoints = Balancers.Endpoints(1, 1, 1);
        var ring = new RingHashTable(endpoints, null, minimumSize);
        var marks = Enumerable.Range(0, 3)
            .SelectMany(i => Enumerable.Range(0, ring.Length / 3).Select(mark => (Hash: Hash.Of(endpoints[i].Id, mark), i)))
            .OrderBy(mark => mark.Hash).ToArray();
        var random = new Random(5);

        foreach (var hash in Enumerable.Range(0, 5_000).Select(_ => (ulong)random.NextInt64() << 1)
            .Concat<ulong>([0, ulong.MaxValue, marks[0].Hash, marks[^1].Hash]))
        {
            var expected = marks.FirstOrDefault(mark => mark.Hash >= hash, marks[0]).i;
            Assert.Equal(expected, ring.OwnerOf(ring.Find(hash)));
        }
    }

    [Theory]
    [InlineData("1 1 1")]
    [InlineData("1 2 5")]
    [InlineData("100 1 1")]
    public void Maglev_Slots_AreInProportionToWeights(string text)
    {
        var weights = text.Split(' ').Select(int.Parse).ToArray();
        var table = new MaglevTable(Balancers.Endpoints(weights), weights, 65537);

        var slots = Enumerable.Range(0, table.Length).CountBy(table.OwnerOf).ToDictionary();

        Assert.All(weights, (weight, i) => Assert.Equal(weight / (double)weights.Sum(), slots[i] / 65537.0, 1e-4));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Maglev_TinyTables_AreFull(int size)
    {
        foreach (var weights in new int[]?[] { null, [1, 2, 3] })
        {
            var table = new MaglevTable(Balancers.Endpoints(1, 1, 1), weights, size);

            Assert.All(Enumerable.Range(0, size), slot => Assert.InRange(table.OwnerOf(slot), 0, 2));
        }
    }

    [Theory]
    [InlineData(65536)]
    [InlineData(1)]
    [InlineData(0)]
    [InlineData(-7)]
    [InlineData(9)]
    public void Maglev_SizeNotPrime_Throws(int size) => Assert.Throws<ArgumentOutOfRangeException>(
        () => new MaglevTable(Balancers.Endpoints(1), null, size));

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(65537)]
    [InlineData(5000011)]
    [InlineData(int.MaxValue)]
    public void IsPrime_Primes_AreAccepted(int size) => Assert.True(MaglevTable.IsPrime(size));

    private static EndpointState[] Owners(EndpointState[] endpoints, ConsistentHashConfig config)
    {
        var picker = Balancers.Picker(endpoints, config);
        return [.. Enumerable.Range(0, Keys).Select(i => picker.Pick(Balancers.Keyed(i)))];
    }

    private static ConsistentHashConfig Header(bool maglev) => new() { HttpHeaderName = "key", Maglev = maglev };
}
