using Mesh.Discovery.Rules.Reading;
using Mesh.Discovery.Security;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Security;

/// <summary>
/// Reads <c>X-Forwarded-Client-Cert</c> as Envoy writes it: elements between commas, one for each proxy, the nearest last; in an
/// element <c>Key=Value</c> between semicolons, keys in any case, values that hold <c>,</c> <c>;</c> <c>=</c> or quotes in double
/// quotes, with <c>\"</c> for a quote.
/// </summary>
internal static class ForwardedClientCert
{
    public const string Header = "X-Forwarded-Client-Cert";

    private const int MaxLength = 64 * 1024;

    /// <summary>Whom the nearest proxy had before it: the URI of the last element.</summary>
    /// <param name="lines">The header's lines, which are one list.</param>
    /// <param name="caller">Null also if the last element has no URI: then the gateway's caller has no identity.</param>
    /// <returns>What is wrong; null if nothing is.</returns>
    public static string? Read(StringValues lines, out SpiffeId? caller)
    {
        caller = null;
        string? uri = null;
        foreach (var line in lines)
        {
            if (ReadLine(line ?? "", ref uri) is { } problem)
            {
                return problem;
            }
        }

        return uri is null || SpiffeId.TryParse(uri, out caller) ? null : $"has the URI {RuleText.Quote(uri)}, which is not a SPIFFE ID";
    }

    private static string? ReadLine(string line, ref string? uri)
    {
        if (line.Length > MaxLength)
        {
            return "is too long";
        }

        var at = 0;
        do
        {
            // A new element: what counts is the last.
            uri = null;
            do
            {
                if (ReadPair(line, ref at, out var key, out var value) is { } problem)
                {
                    return problem;
                }

                if (key.Equals("URI", StringComparison.OrdinalIgnoreCase))
                {
                    if (uri is not null)
                    {
                        return "has an element with more than one URI";
                    }

                    uri = value;
                }
            }
            while (Skip(line, ref at, ';'));
        }
        while (Skip(line, ref at, ','));

        return at == line.Length ? null : $"is malformed at character {at + 1}";
    }

    private static string? ReadPair(string line, ref int at, out string key, out string value)
    {
        (key, value) = ("", "");
        var equals = line.AsSpan(at).IndexOfAny("=,;\"");
        if (equals <= 0 || line[at + equals] != '=')
        {
            return $"has no 'Key=Value' at character {at + 1}";
        }

        key = line.Substring(at, equals).Trim();
        at += equals + 1;
        if (key.Length == 0)
        {
            return $"has a value without a key at character {at}";
        }

        if (at < line.Length && line[at] == '"')
        {
            return ReadQuoted(line, ref at, out value);
        }

        var end = line.AsSpan(at).IndexOfAny(",;\"");
        end = end < 0 ? line.Length : at + end;
        value = line[at..end].Trim();
        at = end;
        return null;
    }

    private static string? ReadQuoted(string line, ref int at, out string value)
    {
        var text = new System.Text.StringBuilder();
        for (var i = at + 1; i < line.Length; i++)
        {
            if (line[i] == '\\' && i + 1 < line.Length)
            {
                text.Append(line[++i]);
            }
            else if (line[i] == '"')
            {
                at = i + 1;
                value = text.ToString();
                return null;
            }
            else
            {
                text.Append(line[i]);
            }
        }

        value = "";
        return $"has a quote that does not end, from character {at + 1}";
    }

    private static bool Skip(string line, ref int at, char separator)
    {
        var next = at;
        while (next < line.Length && line[next] == ' ')
        {
            next++;
        }

        if (next >= line.Length || line[next] != separator)
        {
            return false;
        }

        at = next + 1;
        return true;
    }
}
