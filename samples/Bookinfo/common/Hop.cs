using System.Globalization;
using System.Text;

namespace Bookinfo;

/// <summary>
/// One service's part in a page, as the header <c>x-bookinfo-served-by</c> tells it:
/// <c>productpage=v1, details=v1;dur=0.41, reviews=v2;dur=1.20</c> (a dictionary of RFC 9651; <c>dur</c> is what the
/// caller waited, in milliseconds; <c>failed</c> marks a call that failed).
/// </summary>
public sealed record Hop(string Service, string Version, double? Milliseconds = null, bool Failed = false)
{
    public const string HeaderName = "x-bookinfo-served-by";

    /// <summary>The version of a service that never answered.</summary>
    public const string UnknownVersion = "unknown";

    public static string Format(IEnumerable<Hop> hops)
    {
        var text = new StringBuilder();
        foreach (var hop in hops)
        {
            text.Append(text.Length > 0 ? ", " : "").Append(hop.Service).Append('=').Append(hop.Version);
            if (hop.Milliseconds is { } milliseconds)
            {
                text.Append(CultureInfo.InvariantCulture, $";dur={milliseconds:0.000}");
            }

            text.Append(hop.Failed ? ";failed" : "");
        }

        return text.ToString();
    }

    /// <summary>Reads the header; parts that are not understood are left out.</summary>
    public static IReadOnlyList<Hop> Parse(string? header)
    {
        var hops = new List<Hop>();
        foreach (var member in (header ?? "").Split(',', StringSplitOptions.TrimEntries))
        {
            var parts = member.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0].Split('=') is not [{ Length: > 0 } service, { Length: > 0 } version])
            {
                continue;
            }

            var hop = new Hop(service, version);
            foreach (var part in parts.AsSpan(1))
            {
                if (part == "failed")
                {
                    hop = hop with { Failed = true };
                }
                else if (part.StartsWith("dur=", StringComparison.Ordinal)
                    && double.TryParse(part.AsSpan(4), CultureInfo.InvariantCulture, out var milliseconds))
                {
                    hop = hop with { Milliseconds = milliseconds };
                }
            }

            hops.Add(hop);
        }

        return hops;
    }
}
