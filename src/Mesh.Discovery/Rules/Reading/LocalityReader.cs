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
        if (result is { Region: "", Zone: not "" } or { Zone: "", SubZone: not "" })
        {
            locality.Error("names a part without the wider one: a Zone wants a Region, a SubZone wants a Zone");
        }

        return result;
    }
}
