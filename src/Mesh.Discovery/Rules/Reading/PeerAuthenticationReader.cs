using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads what ports accept (Istio: PeerAuthentication).</summary>
internal static class PeerAuthenticationReader
{
    public static PeerAuthenticationConfig Read(ObjectReader spec, PeerAuthenticationConfig identity)
    {
        var selector = SelectorReader.Read(spec, targets: false);
        var mode = ModeIn(spec.Object("mtls"));
        var ports = new Dictionary<int, MtlsMode>();
        foreach (var (key, value) in spec.Entries("portLevelMtls"))
        {
            if (!int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
            {
                value.Error($"{RuleText.Quote(key)} is not a port; allowed: 1 to 65535");
            }
            else if (ModeIn(value.Object()) is { } portMode)
            {
                ports[port] = portMode;
            }
        }

        if (ports.Count > 0 && !selector.IsNarrow)
        {
            spec.Error($"{spec.Reading.Show("portLevelMtls")} needs a {spec.Reading.Show("selector")}, as in Istio: ports are those of a workload");
        }

        spec.Done();
        return identity with { Selector = selector, Mode = mode, Ports = ports };
    }

    /// <summary>Istio's words, in any case in configuration; null for UNSET.</summary>
    public static MtlsMode? Mode(RuleValue value)
    {
        const int Unset = -1;
        return value.OneOf(
            ("STRICT", (int)MtlsMode.Strict), ("PERMISSIVE", (int)MtlsMode.Permissive), ("DISABLE", (int)MtlsMode.Disable), ("UNSET", Unset)) is { } mode and not Unset
            ? (MtlsMode)mode
            : null;
    }

    private static MtlsMode? ModeIn(ObjectReader? mtls)
    {
        if (mtls is null)
        {
            return null;
        }

        var mode = mtls.Find("mode") is { } value ? Mode(value) : null;
        mtls.Done();
        return mode;
    }
}
