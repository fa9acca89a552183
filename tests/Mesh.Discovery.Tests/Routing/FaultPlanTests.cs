using CsCheck;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class FaultPlanTests
{
    [Fact]
    public void Draw_EveryNumber_ExactlyTheShareIsAffected()
    {
        // The source's numbers, each once: of a million requests 1, 123 456 and all but one.
        Assert.All((int[])[1, 123_456, 999_999], static millionths =>
        {
            var plan = Plan(new FaultConfig { Location = Rule.At(), Abort = new FaultAbortConfig(503, null, new Share(millionths)) });
            var random = new CountingRandom();
            var request = Rule.Request();
            var aborted = 0;
            for (var i = 0; i < 1_000_000; i++)
            {
                aborted += plan.Draw(request, random) is null ? 0 : 1;
            }

            Assert.Equal(millionths, aborted);
        });
    }

    [Fact]
    public void Draw_RandomShares_DelayAndAbortAreIndependentWithinFiveSigma() =>
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[0, 1_000_000], Gen.Int[1, 1_000_000]).Sample(
            static (delayed, aborted, seed) =>
            {
                const int Draws = 20_000;
                var plan = FaultPlan.Create(
                    new FaultConfig
                    {
                        Location = Rule.At(),
                        Delay = new FaultDelayConfig(TimeSpan.FromSeconds(1), new Share(delayed)),
                        Abort = new FaultAbortConfig(500, null, new Share(aborted)),
                    },
                    headerControlled: false);
                var random = new SeededRandom(seed);
                var request = Rule.Request();
                var (delays, aborts, both) = (0, 0, 0);
                for (var i = 0; i < Draws; i++)
                {
                    var fault = plan?.Draw(request, random);
                    var isDelayed = fault?.Delay > TimeSpan.Zero;
                    var isAborted = fault?.IsAbort == true;
                    delays += isDelayed ? 1 : 0;
                    aborts += isAborted ? 1 : 0;
                    both += isDelayed && isAborted ? 1 : 0;
                }

                Check(delays, delayed / 1e6);
                Check(aborts, aborted / 1e6);
                Check(both, delayed / 1e6 * (aborted / 1e6));

                static void Check(int count, double share)
                {
                    // Binomial: standard deviation of the share is sqrt(p(1-p)/n).
                    var tolerance = 5.5 * Math.Sqrt(share * (1 - share) / Draws) + 1e-9;
                    Assert.InRange((double)count / Draws, share - tolerance, share + tolerance);
                }
            },
            iter: 60);

    [Theory]
    [InlineData(0, false)]
    [InlineData(1_000_000, true)]
    public void Draw_NoneOrAll_AsksForNoNumber(int millionths, bool expected)
    {
        var random = new FixedRandom(0);

        Assert.Equal(expected, new Share(millionths).Draw(random));
        Assert.Empty(random.Asked);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0.0001", 1)]
    [InlineData("12.5", 125_000)]
    [InlineData("100.0", 1_000_000)]
    [InlineData("0.00001", null)]
    [InlineData("-1", null)]
    [InlineData("100.0001", null)]
    public void FromPercentage_StepsOfATenthOfAThousandth_AreMillionths(string percentage, int? expected) =>
        Assert.Equal(expected, Share.FromPercentage(decimal.Parse(percentage, System.Globalization.CultureInfo.InvariantCulture))?.Millionths);

    [Fact]
    public void Create_NothingToDo_IsNull()
    {
        Assert.Null(FaultPlan.Create(null, headerControlled: false));
        Assert.Null(FaultPlan.Create(
            new FaultConfig { Location = Rule.At(), Delay = new FaultDelayConfig(TimeSpan.FromSeconds(1), Share.None) }, headerControlled: false));
        Assert.Same(FaultPlan.HeadersOnly, FaultPlan.Create(null, headerControlled: true));
    }

    [Theory]
    [InlineData("x-envoy-fault-abort-request: 418", "abort 418")]
    [InlineData("x-envoy-fault-abort-grpc-request: 14", "abort g14")]
    [InlineData("x-envoy-fault-abort-request: 418|x-envoy-fault-abort-grpc-request: 14", "abort 418")]
    [InlineData("x-envoy-fault-delay-request: 250", "delay 250")]
    [InlineData("x-envoy-fault-delay-request: 250|x-envoy-fault-abort-request: 500", "delay, abort 250 500")]
    [InlineData("x-envoy-fault-delay-request: 0", "")]
    [InlineData("x-envoy-fault-delay-request: -1", "")]
    [InlineData("x-envoy-fault-delay-request: soon", "")]
    [InlineData("x-envoy-fault-abort-request: 99", "")]
    [InlineData("x-envoy-fault-abort-request: 600", "")]
    [InlineData("x-envoy-fault-abort-request: 500|x-envoy-fault-abort-request-percentage: 50", "abort 500")]
    [InlineData("x-envoy-fault-abort-request: 500|x-envoy-fault-abort-request-percentage: 49.9999", "")]
    [InlineData("x-envoy-fault-abort-request: 500|x-envoy-fault-abort-request-percentage: 0", "")]
    [InlineData("x-envoy-fault-abort-request: 500|x-envoy-fault-abort-request-percentage: many", "")]
    [InlineData("x-envoy-fault-delay-request: 7|x-envoy-fault-delay-request-percentage: 50.1", "delay 7")]
    [InlineData("x-envoy-fault-delay-request-percentage: 100", "")]
    public void Draw_HeadersAllowed_AreObeyed(string headers, string expected)
    {
        var request = Rule.Request();
        foreach (var header in headers.Split('|'))
        {
            request.With(header.Split(": ")[0], header.Split(": ")[1]);
        }

        Assert.Equal(expected, Show(FaultPlan.HeadersOnly.Draw(request, new FixedRandom(499_999))));
    }

    [Fact]
    public void Draw_HeadersAndRule_TheHeaderStandsForItsOwnKindOnly()
    {
        var plan = Plan(new FaultConfig
        {
            Location = Rule.At(),
            Delay = new FaultDelayConfig(TimeSpan.FromSeconds(1), Share.All),
            Abort = new FaultAbortConfig(null, 14, Share.All),
            HeaderControlled = true,
        });

        Assert.Equal("delay, abort 1000 g14", Show(plan.Draw(Rule.Request(), new FixedRandom(0))));
        Assert.Equal("delay, abort 1000 500", Show(plan.Draw(Rule.Request().With("X-Envoy-Fault-Abort-Request", "500"), new FixedRandom(0))));
        Assert.Equal("delay, abort 5 g14", Show(plan.Draw(Rule.Request().With("x-envoy-fault-delay-request", "5"), new FixedRandom(0))));
    }

    [Fact]
    public void Draw_HeadersNotAllowed_AreNotLookedAt()
    {
        var plan = Plan(new FaultConfig { Location = Rule.At(), Abort = new FaultAbortConfig(503, null, new Share(1)) });

        Assert.Null(plan.Draw(Rule.Request().With(FaultPlan.AbortHeader, "500"), new FixedRandom(1)));
    }

    private static FaultPlan Plan(FaultConfig config) => FaultPlan.Create(config, headerControlled: false)!;

    private static string Show(Fault? fault) => fault is null ? "" : string.Join(' ', ((string?[])[
        fault.Kind,
        fault.Delay > TimeSpan.Zero ? fault.Delay.TotalMilliseconds.ToString() : null,
        fault.HttpStatus?.ToString() ?? (fault.GrpcStatus is { } grpc ? $"g{grpc}" : null)]).OfType<string>());

    private sealed class CountingRandom : IRandomSource
    {
        private int _next;

        public int Next(int exclusiveMax) => _next++ % exclusiveMax;

        public double NextDouble() => throw new InvalidOperationException();
    }
}
