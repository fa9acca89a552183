using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class MirrorTests
{
    private const string To = "route: [ { destination: { host: reviews } } ]\n";
    private const string At = Origin + ":8: VirtualService prod/r: spec.http[0]";

    [Theory]
    [InlineData("mirror: { host: shadow, subset: v2, port: { number: 9080 } }", "shadow/v2:9080 100")]
    [InlineData("mirror: { host: shadow }\nmirrorPercentage: { value: 0.5 }", "shadow/: 0.5")]
    [InlineData("mirror: { host: shadow }\nmirrorPercent: 7", "shadow/: 7")]
    [InlineData("mirror: { host: shadow }\nmirror_percent: 8", "shadow/: 8")]
    [InlineData("mirrors: [ { destination: { host: a, subset: v1 }, percentage: { value: 10 } }, { destination: { host: b } } ]", "a/v1: 10, b/: 100")]
    public void Read_Mirrors_AreRead(string mirrors, string expected) =>
        Assert.Equal(expected, Show(One<VirtualServiceConfig>(Route(To + mirrors))));

    [Theory]
    [InlineData("mirror: { subset: a }", ".mirror: 'host' is missing")]
    [InlineData("mirror: { host: a, port: 80 }", ".mirror.port: '80' stands where keys and values are wanted; allowed: a map")]
    [InlineData("mirror: { host: a, subste: b }", ".mirror.subste: unknown key 'subste'; did you mean 'subset'? (allowed: host, subset, port)")]
    [InlineData("mirror: { host: a, mirrorPercent: 1 }", ".mirror.mirrorPercent: unknown key 'mirrorPercent' (allowed: host, subset, port)")]
    [InlineData("mirrors: [ { host: a } ]", ".mirrors[0]: 'destination' is missing")]
    [InlineData("mirrors: [ { destination: { host: a }, percentage: { value: 200 } } ]", ".mirrors[0].percentage.value: '200' is out of range; allowed: a number from 0 to 100, in steps of 0.0001")]
    [InlineData("mirrors: { destination: { host: a } }", ".mirrors: a map stands where a list is wanted; allowed: a list; write one item as [ … ]")]
    public void Read_BadMirror_SaysPlaceValueAndWhatIsAllowed(string mirrors, string error) =>
        Assert.Contains(Errors(Route(To + mirrors)), text => text.StartsWith(At, StringComparison.Ordinal) && text.Contains(error, StringComparison.Ordinal));

    [Theory]
    [InlineData("mirror: { host: a }\nmirrorPercentage: { value: 1 }\nmirrorPercent: 1", "only one of mirrorPercentage, mirrorPercent, mirror_percent is wanted")]
    [InlineData("mirror: { host: a }\nmirrors: [ { destination: { host: b } } ]", "only one of mirror, mirrors is wanted")]
    [InlineData("mirror: { host: a }\nmirrorPercent: 101", "'101' is out of range; allowed: a whole number from 0 to 100")]
    public void Read_Contradiction_IsAnError(string mirrors, string error) =>
        Assert.Contains(error, Error(Route(To + mirrors)), StringComparison.Ordinal);

    [Fact]
    public void Read_PercentageWithoutMirror_IsAWarning()
    {
        One<VirtualServiceConfig>(Route(To + "mirrorPercentage: { value: 10 }"), out var warnings);

        Assert.Contains("the percentage has no effect without 'mirror'", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_Configuration_HostIsThatOfTheKeyUnlessNamed()
    {
        var batch = Rules.Reading.Reader.Configuration(
            """
            { "Mesh": { "Routes": {
              "a": [ { "Route": [ {} ], "Mirror": { "Subset": "v2", "Port": 81 }, "MirrorPercentage": 10 } ],
              "b": [ { "Route": [ {} ], "Mirrors": [
                { "Subset": "v2", "Percentage": 2.5 },
                { "Destination": { "Host": "c", "Port": { "Number": 82 } }, "Percentage": { "Value": 100 } } ] } ] } } }
            """);

        Assert.Empty(batch.Issues);
        Assert.Equal(["a/v2:81 10", "b/v2: 2.5, c/:82 100"], batch.Rules.Cast<VirtualServiceConfig>().Select(Show));
    }

    private static string Show(VirtualServiceConfig rule) => string.Join(", ", rule.Http[0].Mirrors.Select(static mirror =>
        FormattableString.Invariant($"{mirror.Host}/{mirror.Subset}:{mirror.Port} {mirror.Share.Percentage:0.####}")));
}
