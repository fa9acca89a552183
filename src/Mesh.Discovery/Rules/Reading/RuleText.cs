using System.Globalization;
using System.Text;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>How values and keys appear in messages: short, on one line, whatever somebody wrote into a file.</summary>
internal static class RuleText
{
    private const int MaxLength = 60;

    /// <summary>The text in single quotes, cut and without control characters.</summary>
    public static string Quote(string text) => $"'{Cut(text)}'";

    public static string Cut(string text, int maxLength = MaxLength)
    {
        var result = new StringBuilder(Math.Min(text.Length, maxLength) + 1);
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, maxLength)))
        {
            if (char.IsControl(c) || c is '\u2028' or '\u2029' || char.IsSurrogate(c))
            {
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }
            else
            {
                result.Append(c);
            }
        }

        return text.Length > maxLength ? result.Append('…').ToString() : result.ToString();
    }

    /// <summary>What a node is, for "is wanted here, not …".</summary>
    public static string Describe(RuleNode node) => node switch
    {
        ListNode => "a list",
        MapNode => "a map",
        ScalarNode { Text: { } text } => Quote(text),
        _ => "null",
    };

    /// <summary>The known word that was probably meant, if one is near enough.</summary>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        if (word.Length > MaxLength)
        {
            return null;
        }

        var wanted = Simplify(word);
        string? best = null;
        var bestDistance = Math.Max(1, wanted.Length / 3) + 1;
        foreach (var candidate in known)
        {
            var distance = Distance(wanted, Simplify(candidate));
            if (distance < bestDistance)
            {
                (best, bestDistance) = (candidate, distance);
            }
        }

        return best;

        static string Simplify(string text) => text.Replace("_", "", StringComparison.Ordinal).ToLowerInvariant();
    }

    /// <summary>Insertions, deletions, replacements and swaps of neighbours between two texts.</summary>
    private static int Distance(string a, string b)
    {
        var rows = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            rows[i, 0] = i;
        }

        for (var j = 0; j <= b.Length; j++)
        {
            rows[0, j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var replace = rows[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
                var best = Math.Min(replace, Math.Min(rows[i - 1, j], rows[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    best = Math.Min(best, rows[i - 2, j - 2] + 1);
                }

                rows[i, j] = best;
            }
        }

        return rows[a.Length, b.Length];
    }
}
