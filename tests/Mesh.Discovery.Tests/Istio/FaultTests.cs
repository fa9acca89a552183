using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class FaultTests
{
    private const string To = "route: [ { destination: { host: reviews } } ]\n";
    private const string At = Origin + ":8: VirtualService prod/r: spec.http[0].fault";

    [Fact]
    public void Read_DelayAndAbort_AreRead()
    {
        var fault = Read("fault: { delay: { percentage: { value: 0.1 }, fixedDelay: 5s }, abort: { percentage: { value: 1.0e-4 }, httpStatus: 400 } }");

        Assert.Equal(new FaultDelayConfig(TimeSpan.FromSeconds(5), new Share(1_000)), fault.Delay);
        Assert.Equal(new FaultAbortConfig(400, null, new Share(1)), fault.Abort);
        Assert.False(fault.HeaderControlled);
        Assert.Equal(new SourceLocation(Origin, "spec.http[0].fault", 8, "VirtualService prod/r"), fault.Location);
    }

    [Theory]
    [InlineData("fault: { delay: { percent: 20, fixedDelay: 1s } }", 200_000)]
    [InlineData("fault: { delay: { percentage: { value: 100 }, fixedDelay: 1s } }", 1_000_000)]
    [InlineData("fault: { delay: { percentage: {}, fixedDelay: 1s } }", 0)]
    public void Read_Percentages_AreMillionths(string fault, int millionths) =>
        Assert.Equal(millionths, Read(fault).Delay!.Share.Millionths);

    [Theory]
    [InlineData("UNAVAILABLE", 14)]
    [InlineData("CANCELLED", 1)]
    [InlineData("UNAUTHENTICATED", 16)]
    [InlineData("\"8\"", 8)]
    [InlineData("8", 8)]
    public void Read_GrpcStatus_IsItsNumber(string status, int expected) =>
        Assert.Equal(expected, Read($"fault: {{ abort: {{ percentage: {{ value: 1 }}, grpcStatus: {status} }} }}").Abort!.GrpcStatus);

    [Theory]
    [InlineData("fault: { delay: { fixedDelay: 1s } }", ".delay: 'percentage' is missing, which Istio reads as 0: no request is affected")]
    [InlineData("fault: { abort: { httpStatus: 500 } }", ".abort: 'percentage' is missing, which Istio reads as 0: no request is affected")]
    public void Read_NoPercentage_AffectsNothingAndSaysSo(string fault, string warning)
    {
        One<VirtualServiceConfig>(Route(To + fault), out var warnings);

        Assert.Equal(At + warning, Assert.Single(warnings).ToString());
    }

    [Theory]
    [InlineData("fault: { delay: { percentage: { value: 101 }, fixedDelay: 1s } }", ".delay.percentage.value: '101' is out of range; allowed: a number from 0 to 100, in steps of 0.0001")]
    [InlineData("fault: { delay: { percentage: { value: -1 }, fixedDelay: 1s } }", ".delay.percentage.value: '-1' is out of range; allowed: a number from 0 to 100, in steps of 0.0001")]
    [InlineData("fault: { delay: { percentage: { value: 0.00001 }, fixedDelay: 1s } }", ".delay.percentage.value: '0.00001' has too many decimals; allowed: a number from 0 to 100, in steps of 0.0001")]
    [InlineData("fault: { delay: { percentage: { value: some }, fixedDelay: 1s } }", ".delay.percentage.value: 'some' is not a percentage; allowed: a number from 0 to 100, in steps of 0.0001")]
    [InlineData("fault: { delay: { percentage: 10, fixedDelay: 1s } }", ".delay.percentage: '10' stands where keys and values are wanted; allowed: a map")]
    [InlineData("fault: { delay: { percentage: { valeu: 10 }, fixedDelay: 1s } }", ".delay.percentage.valeu: unknown key 'valeu'; did you mean 'value'? (allowed: value)")]
    [InlineData("fault: { delay: { percent: 10.5, fixedDelay: 1s } }", ".delay.percent: '10.5' is not a whole number; allowed: a whole number from 0 to 100")]
    [InlineData("fault: { delay: { percent: 10, percentage: { value: 10 }, fixedDelay: 1s } }", ".delay: only one of percentage, percent is wanted")]
    [InlineData("fault: { delay: { percent: 10 } }", ".delay: 'fixedDelay' is missing")]
    [InlineData("fault: { delay: { percent: 10, fixedDelay: 100us } }", ".delay.fixedDelay: '100us' is too short; allowed: at least 1ms")]
    [InlineData("fault: { abort: { percentage: { value: 1 } } }", ".abort: an abort needs one of httpStatus, grpcStatus")]
    [InlineData("fault: { abort: { percentage: { value: 1 }, httpStatus: 500, grpcStatus: INTERNAL } }", ".abort: only one of httpStatus, grpcStatus is wanted")]
    [InlineData("fault: { abort: { percentage: { value: 1 }, httpStatus: 600 } }", ".abort.httpStatus: '600' is out of range; allowed: a whole number from 200 to 599")]
    [InlineData("fault: { abort: { percentage: { value: 1 }, grpcStatus: 17 } }", ".abort.grpcStatus: '17' is out of range; allowed: a whole number from 0 to 16")]
    [InlineData("fault: { abort: { percentage: { value: 1 }, grpcStatus: UNAVAILBLE } }", ".abort.grpcStatus: 'UNAVAILBLE' is not known; did you mean 'UNAVAILABLE'? (allowed: OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS, UNAUTHENTICATED)")]
    [InlineData("fault: {}", ": changes nothing; wanted: delay, abort")]
    [InlineData("fault: { headerControlled: true, abort: { percentage: { value: 1 }, httpStatus: 500 } }", ".headerControlled: unknown key 'headerControlled' (allowed: delay, abort)")]
    public void Read_BadFault_SaysPlaceValueAndWhatIsAllowed(string fault, string error) =>
        Assert.Equal(At + error, Error(Route(To + fault)));

    [Fact]
    public void Read_SeveralErrors_AreAllTold() =>
        Assert.Equal(4, Errors(Route(To + "fault: { delay: { percent: 101, fixedDelay: -1s }, abort: { percentage: { value: x }, httpStatus: 1 } }")).Count);

    [Fact]
    public void Read_Configuration_NumbersStandAloneAndHeadersMayControl()
    {
        var fault = Assert.IsType<VirtualServiceConfig>(Assert.Single(Rules.Reading.Reader.Configuration(
            """
            { "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Fault": {
              "Delay": { "Percentage": 2.5, "FixedDelay": "1s" }, "Abort": { "Percentage": { "Value": "50" }, "GrpcStatus": "unavailable" },
              "HeaderControlled": true } } ] } } }
            """).Rules)).Http[0].Fault!;

        Assert.Equal(new Share(25_000), fault.Delay!.Share);
        Assert.Equal(new FaultAbortConfig(null, 14, new Share(500_000)), fault.Abort);
        Assert.True(fault.HeaderControlled);
    }

    private static FaultConfig Read(string fault) => One<VirtualServiceConfig>(Route(To + fault)).Http[0].Fault!;
}
