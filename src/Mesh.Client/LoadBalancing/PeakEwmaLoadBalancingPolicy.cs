using Mesh.Discovery.Runtime;

namespace Mesh.Client.LoadBalancing;

/// <summary>Power of two choices on peak-EWMA latency times one more than the requests in flight.</summary>
/// <remarks>
/// <para>
/// An estimate that is not renewed decays, so that an endpoint that was slow once is found out again. Decay alone would
/// also make the endpoint that was measured longest ago look best, which undoes weights and piles requests on endpoints
/// that have just come. So latency counts only as far as two views agree: the estimates as they were last measured, and
/// as they have decayed since. Where the views disagree, requests in flight decide. Before its first sample an endpoint
/// is anything between zero and <see cref="PeakEwma.Initial"/>.
/// </para>
/// <para>
/// A failed attempt counts as at least <see cref="FailurePenalty"/>, and as twice the endpoint's last estimate up to
/// <see cref="MaxFailurePenalty"/>: failing fast never looks like being fast, also where all answers are slow.
/// </para>
/// <para>
/// Samples are noisy, and the more an endpoint is used the higher its peaks are. With unequal weights every pair would
/// therefore tend to the lighter endpoint; so there a difference below a factor of two decides only with a probability
/// that grows with it.
/// </para>
/// </remarks>
internal sealed class PeakEwmaLoadBalancingPolicy : ILoadBalancingPolicy
{
    /// <summary>Linkerd's penalty for an answer that says "too many requests".</summary>
    public static readonly TimeSpan FailurePenalty = TimeSpan.FromSeconds(5);

    /// <summary>Where doubling ends; against answers in 10 ms it keeps an endpoint out for a minute and a half.</summary>
    public static readonly TimeSpan MaxFailurePenalty = TimeSpan.FromSeconds(60);

    public string Name => LoadBalancingPolicies.PeakEwma;

    public EndpointPicker CreatePicker(LoadBalancingContext context) => new Picker(context);

    private sealed class Picker(LoadBalancingContext context) : PowerOfTwoPicker(context)
    {
        private static readonly double[] s_logs = [.. Enumerable.Range(1, 256).Select(static n => Math.Log(n))];

        private static readonly double s_sure = s_logs[1];

        private const double SecondsPerTick = 1.0 / TimeSpan.TicksPerSecond;

        private readonly double _decays = PeakEwma.At(1, context.Time);

        public override bool MeasuresLatency => true;

        public override void OnCompleted(EndpointState endpoint, in AttemptOutcome outcome)
        {
            var seconds = outcome.Latency.Ticks * SecondsPerTick;
            if (outcome.Failed)
            {
                var known = Math.Exp(endpoint.Latency.Measured);
                var penalty = Math.Clamp(2 * known, FailurePenalty.TotalSeconds, MaxFailurePenalty.TotalSeconds);
                seconds = Math.Max(seconds, Math.Max(known, penalty));
            }

            endpoint.Latency.Add(seconds, outcome.EndedAt * _decays);
        }

        protected override bool PrefersSecond(
            in Candidate first, int firstLoad, in Candidate second, int secondLoad, double chance)
        {
            var gain = LogOfOneMore(firstLoad) - LogOfOneMore(secondLoad) + Agreed(
                first.Latency.Measured - second.Latency.Measured, first.Latency.Peak - second.Latency.Peak);
            return gain > chance * s_sure;
        }

        // The one nearer to zero if both have the same sign, else zero; without branches, which nobody could predict.
        private static double Agreed(double measured, double decayed) =>
            double.MaxNative(0, double.MinNative(measured, decayed)) +
            double.MinNative(0, double.MaxNative(measured, decayed));

        private static double LogOfOneMore(int load) =>
            (uint)load < (uint)s_logs.Length ? s_logs[load] : Math.Log(1.0 + Math.Max(0, load));
    }
}
