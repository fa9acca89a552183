namespace Mesh.Discovery;

/// <summary>A share of all requests in millionths, which is what Istio's percentages resolve (Envoy: FractionalPercent).</summary>
internal readonly record struct Share(int Millionths)
{
    private const int Million = 1_000_000;

    public static readonly Share None = new(0);

    public static readonly Share All = new(Million);

    public decimal Percentage => Millionths / 10_000m;

    /// <summary>A percentage from 0 to 100 in steps of 0.0001; null if it is none.</summary>
    public static Share? FromPercentage(decimal percentage) =>
        percentage is >= 0 and <= 100 && percentage * 10_000 is var millionths && millionths == decimal.Truncate(millionths)
            ? new Share((int)millionths)
            : null;

    /// <summary>Whether one request belongs to the share. None and all draw nothing.</summary>
    public bool Draw(IRandomSource random) => Millionths > 0 && (Millionths >= Million || random.Next(Million) < Millionths);
}
