namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads what <c>Routes</c> and <c>Destinations</c> of the section <c>Mesh</c> say of one host.</summary>
internal static class SectionReader
{
    public const string Routes = "routes";

    public const string Destinations = "destinations";

    public const string Authorization = "authorization";

    /// <param name="section"><see cref="Routes"/> or <see cref="Destinations"/>.</param>
    /// <param name="host">The key.</param>
    /// <param name="value">Its value.</param>
    /// <param name="strict">Whether what is not supported is an error.</param>
    public static RuleDocument Read(string section, string host, RuleValue value, bool strict)
    {
        var reading = new RuleReading(RuleDialect.Configuration, value.Reading.Namespace, strict, value.Path);
        value = value with { Reading = reading };
        if (!HostText.IsHost(host, wildcard: true))
        {
            value.Error($"{RuleText.Quote(host)} is not a host; allowed: {HostText.Allowed}");
        }

        RuleConfig? rule = section == Routes ? ReadRoutes(host, value) : ReadDestination(host, value);
        return new RuleDocument(reading.HasErrors ? null : rule, reading.Issues);
    }

    private static VirtualServiceConfig? ReadRoutes(string host, RuleValue value)
    {
        var routes = new List<RouteConfig>();
        foreach (var item in value.Items())
        {
            if (item.Object() is { } route && RouteReader.Read(route, host) is { } read)
            {
                routes.Add(read);
            }
        }

        return routes.Count == 0 ? null : new VirtualServiceConfig
        {
            Name = host,
            Namespace = value.Reading.Namespace,
            Location = value.Location,
            Hosts = [host],
            Http = routes,
        };
    }

    private static DestinationRuleConfig? ReadDestination(string host, RuleValue value)
    {
        if (value.Object() is not { } destination)
        {
            return null;
        }

        var result = new DestinationRuleConfig
        {
            Name = host,
            Namespace = value.Reading.Namespace,
            Location = value.Location,
            Host = host,
            TrafficPolicy = DestinationReader.Policy(destination),
            Subsets = DestinationReader.Subsets(destination),
        };
        destination.Done();
        return result;
    }
}
