using Mesh.Discovery.Runtime.Balancing;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads which localities take traffic (Istio: LocalityLoadBalancerSetting).</summary>
internal static class LocalityLbReader
{
    public static LocalityLbConfig Read(ObjectReader setting)
    {
        var enabled = setting.Bool("enabled");
        var result = new LocalityLbConfig
        {
            // There, true is what holds anyhow: it does not make up for outlier detection.
            Enabled = enabled == true && setting.Reading.Dialect != RuleDialect.Configuration ? null : enabled,
            Distribute = [.. setting.Objects("distribute").Select(Distribution).OfType<LocalityDistribution>()],
            Failover = [.. setting.Objects("failover").Select(Failover).OfType<LocalityFailover>()],
            FailoverPriority = FailoverPriority(setting),
        };
        setting.Done();
        foreach (var other in new[] { "failover", "failoverPriority" })
        {
            setting.AtMostOne("distribute", other);
        }

        return result;
    }

    private static LocalityDistribution? Distribution(ObjectReader entry)
    {
        var from = entry.Require("from") is { } value ? Pattern(value) : null;
        entry.Require("to");
        var to = new Dictionary<string, int>(StringComparer.Ordinal);
        var sum = 0;
        var areRead = true;
        foreach (var (pattern, percent) in entry.Entries("to"))
        {
            if (!LocalityPattern.IsValid(pattern))
            {
                percent.Error($"{RuleText.Quote(pattern)} is not a locality; allowed: {LocalityPattern.Allowed}");
                areRead = false;
            }
            else if (to.Keys.FirstOrDefault(other => LocalityPattern.Overlap(other, pattern)) is { } twice)
            {
                percent.Error($"{RuleText.Quote(pattern)} and {RuleText.Quote(twice)} overlap: an endpoint would belong to both");
                areRead = false;
            }
            else if (percent.Int(1, 100) is { } share)
            {
                to[pattern] = share;
                sum += share;
            }
            else
            {
                areRead = false;
            }
        }

        entry.Done();
        if (areRead && entry.CountOf("to") > 0 && sum != 100)
        {
            entry.Error($"the shares of {entry.Reading.Show("to")} are {sum} in all; wanted: 100");
        }

        return from is null || !areRead || sum != 100 ? null : new LocalityDistribution(from, to);
    }

    private static LocalityFailover? Failover(ObjectReader entry)
    {
        var (from, to) = (Region(entry, "from"), Region(entry, "to"));
        entry.Done();
        if (from is not null && from == to)
        {
            entry.Error($"turns from {RuleText.Quote(from)} to itself; two different regions are wanted");
            return null;
        }

        return from is null || to is null ? null : new LocalityFailover(from, to);
    }

    private static string? Region(ObjectReader entry, string key)
    {
        var region = entry.RequireText(key);
        if (region is null || !(region.Contains('/') || region.Contains('*')))
        {
            return region;
        }

        entry.Find(key)!.Value.Refuse("is not a region", "a region alone, without zone and *");
        return null;
    }

    private static List<string> FailoverPriority(ObjectReader setting)
    {
        var labels = new List<string>();
        foreach (var item in setting.Items("failoverPriority"))
        {
            if (item.Line() is not { } label)
            {
                continue;
            }

            if (label.Split('=') is not { Length: 1 or 2 } parts || parts.Any(static part => part.Length == 0))
            {
                item.Refuse("is not a label", "key or key=value");
            }
            else if (labels.Contains(label))
            {
                item.Error($"{RuleText.Quote(label)} is named twice");
            }
            else
            {
                labels.Add(label);
            }
        }

        return labels;
    }

    private static string? Pattern(RuleValue value)
    {
        if (value.Line() is not { } pattern)
        {
            return null;
        }

        if (LocalityPattern.IsValid(pattern))
        {
            return pattern;
        }

        value.Refuse("is not a locality", LocalityPattern.Allowed);
        return null;
    }
}
