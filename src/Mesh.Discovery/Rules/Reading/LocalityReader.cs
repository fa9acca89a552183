namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads a locality written as a map.</summary>
internal static class LocalityReader
{
    public static Locality Read(ObjectReader? locality)
    {
        if (locality is null)
        {
            return Locality.Unknown;
        }

        var result = new Locality(
            locality.Text("region") ?? "", locality.Text("zone") ?? "", locality.Text("subZone") ?? "");
        locality.Done();
        if (result.Region.Length == 0 && result != Locality.Unknown || result.Zone.Length == 0 && result.SubZone.Length > 0)
        {
            locality.Error("names a narrower part without the wider ones; give Region before Zone before SubZone");
        }

        return result;
    }
}
