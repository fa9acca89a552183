using System.Buffers;
using System.Text;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>
/// What a path may mean: as rules normalize it, as ASP.NET gives it to the application, and as the most lenient reader would take it.
/// </summary>
/// <remarks>
/// Two readers that disagree about a path are how rules are got around. What denies therefore needs one reading that matches, what
/// allows needs all of them. A path without anything to disagree about has one reading.
/// </remarks>
/// <param name="Normal">By the mode of normalization; the only one if the others are null.</param>
/// <param name="Application">What the application gets: decoded but for <c>%2F</c>, dot segments resolved.</param>
/// <param name="Lenient">Decoded up to three times, without parameters of segments, <c>\</c> as <c>/</c>, slashes merged, dot segments resolved.</param>
internal readonly record struct PathReadings(string Normal, string? Application, string? Lenient)
{
    /// <summary>As it was sent, for people.</summary>
    public string Written { get; private init; } = Normal;

    private const int MaxDecodings = 3;

    private static readonly SearchValues<char> s_special = SearchValues.Create("%\\;#");

    /// <summary>How many readings there are.</summary>
    public int Count => Application is null ? 1 : 3;

    public string this[int reading] => reading switch
    {
        0 => Normal,
        1 => Application!,
        _ => Lenient!,
    };

    /// <param name="target">The request's target as it was sent: path and query, or a whole URI. Empty if it is not known.</param>
    /// <param name="path">The path that the application gets.</param>
    /// <param name="mode">How paths are normalized.</param>
    public static PathReadings Create(string target, string path, PathNormalization mode)
    {
        var question = target.IndexOf('?');
        var raw = question < 0 ? target.AsSpan() : target.AsSpan(0, question);
        if (raw.IsEmpty)
        {
            raw = path;
        }

        if (raw.SequenceEqual(path) && IsSimple(raw))
        {
            return new PathReadings(path, null, null);
        }

        var written = PathOf(raw);
        return new PathReadings(Normalize(written, mode), path, LenientOf(written)) { Written = written };
    }

    /// <summary>Istio's normalization.</summary>
    public static string Normalize(string path, PathNormalization mode)
    {
        if (mode == PathNormalization.None)
        {
            return path;
        }

        if (mode == PathNormalization.DecodeAndMergeSlashes)
        {
            path = path.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase).Replace("%5C", "\\", StringComparison.OrdinalIgnoreCase);
        }

        path = WithoutDots(DecodeUnreserved(path).Replace('\\', '/'));
        return mode == PathNormalization.Base ? path : MergeSlashes(path);
    }

    /// <summary>As the most lenient reader takes it.</summary>
    public static string LenientOf(string path)
    {
        for (var i = 0; i < MaxDecodings && path.Contains('%'); i++)
        {
            var decoded = Uri.UnescapeDataString(path);
            if (decoded == path)
            {
                break;
            }

            path = decoded;
        }

        return WithoutDots(MergeSlashes(WithoutParameters(path.Replace('\\', '/'))));
    }

    /// <summary>As Kestrel decodes a path: everything but the slash, once.</summary>
    public static string DecodeOnce(string path) => !path.Contains('%')
        ? path
        : string.Join("%2F", path.Replace("%2f", "%2F", StringComparison.Ordinal).Split("%2F").Select(Uri.UnescapeDataString));

    private static bool IsSimple(ReadOnlySpan<char> path)
    {
        if (path.ContainsAny(s_special))
        {
            return false;
        }

        for (var i = 0; i < path.Length; i++)
        {
            var slash = path[i..].IndexOf('/');
            if (slash < 0)
            {
                return true;
            }

            i += slash;
            if (i + 1 < path.Length && path[i + 1] is '/' or '.')
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The path of a target that may be a whole URI (RFC 9112, 3.2.2).</summary>
    private static string PathOf(ReadOnlySpan<char> target)
    {
        var scheme = target.IndexOf("://");
        if (scheme > 0 && target[0] != '/')
        {
            var rest = target[(scheme + 3)..];
            var slash = rest.IndexOfAny('/', '\\');
            target = slash < 0 ? "/" : rest[slash..];
        }

        // Nobody sends a fragment who means well.
        var hash = target.IndexOf('#');
        return (hash < 0 ? target : target[..hash]).ToString();
    }

    /// <summary>RFC 3986, 6.2.2.2.</summary>
    private static string DecodeUnreserved(string path)
    {
        if (!path.Contains('%'))
        {
            return path;
        }

        var result = new StringBuilder(path.Length);
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '%' && i + 2 < path.Length && char.IsAsciiHexDigit(path[i + 1]) && char.IsAsciiHexDigit(path[i + 2]))
            {
                var c = (char)Convert.ToByte(path.Substring(i + 1, 2), 16);
                if (char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' or '~')
                {
                    result.Append(c);
                    i += 2;
                    continue;
                }
            }

            result.Append(path[i]);
        }

        return result.ToString();
    }

    /// <summary>RFC 3986, 5.2.4.</summary>
    private static string WithoutDots(string path)
    {
        if (!path.Contains("/.", StringComparison.Ordinal))
        {
            return path;
        }

        var segments = new List<string>();
        var parts = path.Split('/');
        for (var i = 1; i < parts.Length; i++)
        {
            var isLast = i == parts.Length - 1;
            switch (parts[i])
            {
                case ".":
                    break;
                case "..":
                    if (segments.Count > 0)
                    {
                        segments.RemoveAt(segments.Count - 1);
                    }

                    break;
                default:
                    segments.Add(parts[i]);
                    continue;
            }

            if (isLast)
            {
                segments.Add("");
            }
        }

        return $"{parts[0]}/{string.Join('/', segments)}";
    }

    private static string MergeSlashes(string path)
    {
        if (!path.Contains("//", StringComparison.Ordinal))
        {
            return path;
        }

        var result = new StringBuilder(path.Length);
        foreach (var c in path)
        {
            if (c != '/' || result.Length == 0 || result[^1] != '/')
            {
                result.Append(c);
            }
        }

        return result.ToString();
    }

    private static string WithoutParameters(string path) => !path.Contains(';')
        ? path
        : string.Join('/', path.Split('/').Select(static segment => segment.IndexOf(';') is var at and >= 0 ? segment[..at] : segment));
}
