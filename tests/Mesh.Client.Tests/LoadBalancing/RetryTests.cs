using CsCheck;
using Mesh.Client.LoadBalancing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>What holds for every policy, weights and tried endpoints.</summary>
public sealed class RetryTests
{
    [Fact]
    public void Pick_AnyWeightsAndTried_IsAMemberAndUntriedIfThereIsOne()
    {
        var weights = Gen.OneOf(Gen.Int[1, 65535].Array[1, 12], Gen.Const(0).Array[1, 12], Gen.Int[1, 3].Array[1, 40]);
        Gen.Select(weights, Gen.Bool.Array[40], Gen.Int[0, 100_000], Gen.Int[0, Balancers.All.Length - 1].Select(i => Balancers.All[i])).Sample((w, t, seed, policy) =>
        {
            var endpoints = Balancers.Endpoints(w);
            var tried = endpoints.Where((_, i) => t[i]).ToArray();
            var picker = Balancers.Picker(policy, endpoints, seed);
            for (var i = 0; i < 20; i++)
            {
                var picked = picker.Pick(Balancers.Keyed(seed + i), tried);

                Assert.Contains(picked, endpoints);
                Assert.True(tried.Length == endpoints.Length || !tried.Contains(picked));
            }
        }, iter: 2_000, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Balancers.AllPolicies), MemberType = typeof(Balancers))]
    public void Pick_OneToThreeEndpoints_EachAttemptGetsAnotherThenAnyAgain(string policy)
    {
        for (var count = 1; count <= 3; count++)
        {
            foreach (var heavy in new[] { 1, 1_000_000 })
            {
                var endpoints = Balancers.Endpoints([heavy, .. Enumerable.Repeat(1, count - 1)]);
                var picker = Balancers.Picker(policy, endpoints);
                for (var i = 0; i < 100; i++)
                {
                    var tried = new List<EndpointState>();
                    for (var attempt = 0; attempt < count; attempt++)
                    {
                        tried.Add(picker.Pick(Balancers.Keyed(i), [.. tried]));
                    }

                    Assert.Equal(count, tried.Distinct().Count());
                    Assert.Contains(picker.Pick(Balancers.Keyed(i), [.. tried]), endpoints);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Balancers.AllPolicies), MemberType = typeof(Balancers))]
    public void Pick_TriedHoldsRepeatsAndStrangers_StillFindsTheUntried(string policy)
    {
        var endpoints = Balancers.Endpoints(1, 1, 1);
        var picker = Balancers.Picker(policy, endpoints);
        var gone = Balancers.Endpoint("10.1.1.1:80");

        for (var i = 0; i < 100; i++)
        {
            Assert.Same(endpoints[2], picker.Pick(
                Balancers.Keyed(i), gone, endpoints[0], endpoints[0], endpoints[1], endpoints[1]));
        }
    }

    [Theory]
    [InlineData(LoadBalancingPolicies.Random)]
    [InlineData(LoadBalancingPolicies.LeastRequest)]
    public void Pick_OneTried_OthersKeepTheirProportions(string policy)
    {
        var endpoints = Balancers.Endpoints(6, 1, 3);
        var picker = Balancers.Picker(policy, endpoints);

        var share = Enumerable.Range(0, 20_000).Count(_ => picker.Pick(endpoints[0]) == endpoints[1]) / 20_000.0;

        Assert.InRange(share, 0.235, 0.265);
    }

    [Theory]
    [MemberData(nameof(Balancers.AllPolicies), MemberType = typeof(Balancers))]
    public void Pick_AnyPolicy_DoesNotAllocate(string policy)
    {
        var endpoints = Balancers.Endpoints(1, 2, 3, 4);
        var picker = Balancers.Picker(policy, endpoints);
        var request = Balancers.Keyed(1);
        EndpointState[] tried = [endpoints[0]];
        Run();

        // What allocates does so in every round; the runtime itself does so now and then, when it compiles a method anew.
        Assert.Contains(0, new[] { Run(), Run(), Run(), Run(), Run() });

        long Run()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1_000; i++)
            {
                picker.Pick(new PickContext(request, default));
                picker.Pick(new PickContext(request, tried));
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }
}
