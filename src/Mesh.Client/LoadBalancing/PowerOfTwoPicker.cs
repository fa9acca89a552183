using Mesh.Discovery;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>
/// The power of two choices (Mitzenmacher 2001): draws two endpoints and takes the better, which spreads load nearly as
/// well as looking at all of them.
/// </summary>
/// <remarks>
/// <para>
/// Equal weights: two different endpoints, each pair equally likely. Unequal weights: each is drawn in proportion to its
/// weight, both may be the same, and a tie goes to the first; so without load the shares are the weights.
/// </para>
/// <para>
/// Under load an endpoint of weight w is seen as w slots of weight 1 that hold its requests evenly, and a draw as a draw
/// of one slot. Slots are all alike, so their shares stay equal under any rule that treats them alike, and an endpoint's
/// share is its weight at every concurrency. Only the ratio of the two weights counts: the lighter endpoint is one slot.
/// Comparing in-flight per weight directly looks simpler but misses the weights by up to 12 percentage points at low
/// concurrency, and by more with the usual "+1"; see the simulations in the tests.
/// </para>
/// </remarks>
internal abstract class PowerOfTwoPicker : EndpointPicker
{
    private const double Chances = 1 << 20;

    private readonly Candidate[] _candidates;
    private readonly bool _weighted;
    private readonly EndpointSampler _sampler;
    private readonly IRandomSource _random;

    protected PowerOfTwoPicker(LoadBalancingContext context)
    {
        var endpoints = context.EndpointArray;
        var weights = EndpointWeights.Read(context);
        _weighted = weights is not null;
        _random = context.Random;
        _sampler = new EndpointSampler(endpoints, weights, _random);
        _candidates = new Candidate[endpoints.Length];
        for (var i = 0; i < endpoints.Length; i++)
        {
            _candidates[i] = new Candidate(endpoints[i], endpoints[i].Latency, weights?[i] ?? 1);
        }
    }

    public sealed override EndpointState Pick(in PickContext context)
    {
        if (!context.Tried.IsEmpty)
        {
            return PickUntried(context);
        }

        if (_weighted)
        {
            return Better(_sampler.Next(), _sampler.Next());
        }

        var candidates = _candidates;
        if (candidates.Length == 1)
        {
            return candidates[0].State;
        }

        var first = _random.Next(candidates.Length);
        var second = _random.Next(candidates.Length - 1);
        return Better(first, second + (second >= first ? 1 : 0));
    }

    /// <summary>Whether the second of two candidates is better than the first; no matter what if they are the same.</summary>
    /// <param name="first">The first drawn.</param>
    /// <param name="firstLoad">Requests in flight on one of its slots.</param>
    /// <param name="second">The second drawn.</param>
    /// <param name="secondLoad">Requests in flight on one of its slots.</param>
    /// <param name="chance">Zero if all weights are equal, otherwise a random number from 0 to 1.</param>
    protected abstract bool PrefersSecond(
        in Candidate first, int firstLoad, in Candidate second, int secondLoad, double chance);

    private EndpointState Better(int first, int second)
    {
        // The two candidates are likely far apart in memory, so nothing waits for one before it asks for the other; and
        // the outcome is a coin toss, so it is computed: a branch would be mispredicted half the time.
        ref readonly var a = ref _candidates[first];
        ref readonly var b = ref _candidates[second];
        var loadA = a.State.InFlight;
        var loadB = b.State.InFlight;
        var chance = 0.0;
        if (_weighted)
        {
            // Two random numbers for the price of one: the upper 20 bits and the rest.
            var part = _random.NextDouble() * Chances;
            chance = Math.Floor(part);
            part -= chance;
            chance /= Chances;
            // What one of weight / slot slots holds when they hold the requests evenly; exact for the lighter endpoint.
            var slot = Math.Min(a.Weight, b.Weight);
            loadA = (int)((loadA * slot / a.Weight) + part);
            loadB = (int)((loadB * slot / b.Weight) + part);
        }

        var toSecond = PrefersSecond(a, loadA, b, loadB, chance) ? 1 : 0;
        return _candidates[first + ((second - first) * toSecond)].State;
    }

    private EndpointState PickUntried(in PickContext context)
    {
        var first = _sampler.NextUntried(context);
        return first < 0
            ? Better(_sampler.Next(), _sampler.Next())
            : Better(first, _sampler.NextUntried(context));
    }

    /// <summary>What a comparison reads, side by side in memory.</summary>
    protected readonly record struct Candidate(EndpointState State, PeakEwma Latency, double Weight);
}
