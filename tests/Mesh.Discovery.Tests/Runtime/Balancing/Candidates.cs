using CsCheck;
using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Tests.Runtime.Balancing;

/// <summary>Endpoints for balancing, written or generated.</summary>
internal static class Candidates
{
    public static readonly Locality Own = Place("eu/a/1");

    private static readonly string[] s_places = ["eu/a/1", "eu/a/2", "eu/b/1", "us/a/1", "us/b/1", "asia/a/1", ""];

    /// <summary>Any endpoints, at least one of them usable and none without weight.</summary>
    public static readonly Gen<BalanceCandidate[]> Any =
        Gen.Select(Gen.Int[0, s_places.Length - 1], Gen.Int[0, 3], Gen.Int[1, 20], Gen.Double[0.01, 1]).Array[1, 40]
            .Where(static all => all.Any(static one => one.Item2 > 0))
            .Select(static all => all.Select(static (one, i) => new BalanceCandidate(
                At(i, s_places[one.Item1], one.Item3), one.Item2 > 0, one.Item4)).ToArray());

    public static Endpoint At(int number, string place = "", int weight = 1, params (string Key, string Value)[] labels) => new()
    {
        Address = new Uri($"http://10.0.{number / 250}.{(number % 250) + 1}:8080"),
        Locality = Place(place),
        Weight = weight,
        Labels = new Labels(labels.Select(static label => KeyValuePair.Create(label.Key, label.Value))),
    };

    public static Locality Place(string text) =>
        text.Split('/') is [var region, .. var rest] ? new Locality(region, rest.ElementAtOrDefault(0) ?? "", rest.ElementAtOrDefault(1) ?? "") : Locality.Unknown;

    /// <summary>One candidate for each word: its locality, with <c>!</c> before it if it is not usable, its weight after <c>*</c>.</summary>
    public static BalanceCandidate[] Of(string words) =>
    [
        .. words.Split(' ').Select(static (word, i) =>
        {
            var parts = word.TrimStart('!').Split('*');
            return new BalanceCandidate(
                At(i, parts[0] == "-" ? "" : parts[0], parts.Length > 1 ? int.Parse(parts[1], null) : 1), !word.StartsWith('!'));
        }),
    ];

    public static BalanceSettings Failover(LocalityLbConfig? config = null, Labels? labels = null) => new()
    {
        Mode = BalanceMode.Failover,
        Locality = Own,
        Labels = BalancingContext.LabelsOf(labels ?? Labels.Empty, Own),
        LocalityLb = config ?? new LocalityLbConfig(),
    };

    /// <summary>Percent of the traffic by group, in order: <c>70 30 0</c>.</summary>
    public static string Shares(Balance balance) =>
        string.Join(' ', balance.Groups.Select(static group => Math.Round(group.Share * 100, 1)));
}
