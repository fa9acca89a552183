namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads whom a rule about requests served is for.</summary>
internal static class SelectorReader
{
    /// <param name="spec">The rule's body.</param>
    /// <param name="targets">Whether <c>targetRefs</c> may be there.</param>
    public static WorkloadSelector Read(ObjectReader spec, bool targets)
    {
        var labels = Labels.Empty;
        if (spec.Object("selector") is { } selector)
        {
            labels = selector.Labels("matchLabels");
            selector.Done();
        }

        var services = new List<string>();
        if (targets)
        {
            foreach (var reference in spec.Objects("targetRefs").Concat(spec.Object("targetRef") is { } one ? [one] : []))
            {
                var kind = reference.RequireText("kind");
                var name = reference.RequireText("name");
                reference.Ignore("group", "namespace");
                reference.Done();
                if (kind is not null and not "Service")
                {
                    reference.Reading.NotSupported(reference.Location, $"the kind {RuleText.Quote(kind)}", "is ignored, and the rule holds for no process by it");
                    services.Add("");
                }
                else if (name is not null)
                {
                    services.Add(name);
                }
            }

            if (labels.Count > 0 && services.Count > 0)
            {
                spec.Error($"only one of {spec.Reading.Show("selector")} and {spec.Reading.Show("targetRefs")} is wanted");
            }
        }

        return labels.Count == 0 && services.Count == 0 ? WorkloadSelector.All : new WorkloadSelector(labels, services);
    }
}
