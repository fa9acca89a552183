using System.Collections.Concurrent;
using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Tests.LoadBalancing;

/// <summary>Real threads on one picker.</summary>
public sealed class ConcurrencyTests
{
    private const int Threads = 4;
    private const int Picks = 20_000;

    [Theory]
    [MemberData(nameof(Balancers.AllPolicies), MemberType = typeof(Balancers))]
    public void Pick_ManyThreads_CountsStayWholeAndSharesNearTheWeights(string policy)
    {
        var endpoints = Balancers.Endpoints(1, 2, 3, 4);
        var hash = policy is LoadBalancingPolicies.RingHash or LoadBalancingPolicies.Maglev;
        var factory = new LoadBalancerFactory([], SystemRandomSource.Instance, TimeProvider.System);
        var picker = hash
            ? Balancers.Picker(policy, endpoints)
            : factory.CreatePicker(endpoints, Balancers.Rule(policy), "10.9.9.9");
        var requests = Enumerable.Range(0, 1_000).Select(i => Balancers.Keyed(i)).ToArray();

        var picked = Run(thread =>
        {
            var mine = new List<EndpointState>(Picks);
            for (var i = 0; i < Picks; i++)
            {
                var endpoint = picker.Pick(requests[((thread * 131) + i) % requests.Length]);
                endpoint.Enter();
                mine.Add(endpoint);
                picker.Completed(endpoint, TimeSpan.FromMilliseconds(1), false, TimeProvider.System);
                endpoint.Leave();
            }

            return mine;
        });

        Assert.Equal(Threads * Picks, picked.Count);
        Assert.All(endpoints, endpoint => Assert.Equal(0, endpoint.InFlight));
        // A thread that is suspended in mid-request makes its endpoint look busy for as long, hence the wide tolerance.
        var seesLoad = policy is LoadBalancingPolicies.LeastRequest or LoadBalancingPolicies.PeakEwma;
        Assert.InRange(Balancers.WorstError(picked, endpoints), 0, seesLoad ? 0.35 : 0.06);
    }

    [Fact]
    public void RoundRobin_ManyThreads_SharesAreExact()
    {
        var endpoints = Balancers.Endpoints(1, 2, 5);
        var picker = Balancers.Picker(LoadBalancingPolicies.RoundRobin, endpoints);

        var picked = Run(_ => [.. Enumerable.Range(0, Picks).Select(_ => picker.Pick())]);

        Assert.Equal(0, Balancers.WorstError(picked, endpoints), 1e-9);
    }

    [Fact]
    public void PeakEwma_ManyWriters_NoPeakIsLost()
    {
        var ewma = new PeakEwma();

        Run(thread =>
        {
            for (var i = 0; i < Picks; i++)
            {
                ewma.Add(i == Picks / 2 ? 10 + thread : 0.001, now: 0);
            }

            return [];
        });

        Assert.Equal(Math.Log(10 + Threads - 1), ewma.Peak, 1e-9);
    }

    /// <summary>Starts all threads at one gate and gathers what they return.</summary>
    private static List<EndpointState> Run(Func<int, List<EndpointState>> work)
    {
        using var gate = new Barrier(Threads);
        var results = new ConcurrentBag<List<EndpointState>>();
        var failures = new ConcurrentQueue<Exception>();
        var threads = Enumerable.Range(0, Threads).Select(index => new Thread(() =>
        {
            try
            {
                gate.SignalAndWait();
                results.Add(work(index));
            }
            catch (Exception failure)
            {
                failures.Enqueue(failure);
            }
        })).ToArray();
        foreach (var thread in threads)
        {
            thread.Start();
        }

        foreach (var thread in threads)
        {
            thread.Join();
        }

        Assert.Empty(failures);
        return [.. results.SelectMany(result => result)];
    }
}
