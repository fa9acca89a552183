using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Durations as Istio writes them (<c>1m30s</c>, <c>1.5h</c>, <c>500ms</c>) or as TimeSpan text.</summary>
internal static class DurationText
{
    public const string Allowed = "a duration such as '2s', '500ms', '1m30s' or '00:00:02'";

    /// <summary>What a timer can still wait for.</summary>
    public static readonly TimeSpan Max = TimeSpan.FromDays(24);

    private static readonly (string Unit, decimal Ticks)[] s_units =
    [
        ("ns", 0.01m), ("us", 10m), ("µs", 10m), ("μs", 10m), ("ms", TimeSpan.TicksPerMillisecond),
        ("s", TimeSpan.TicksPerSecond), ("m", TimeSpan.TicksPerMinute), ("h", TimeSpan.TicksPerHour),
    ];

    /// <summary>Reads a duration.</summary>
    /// <returns>What is wrong with it, or <see langword="null"/>.</returns>
    public static string? TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var trimmed = text.Trim();
        if (trimmed == "0")
        {
            return null;
        }

        if (trimmed.StartsWith('-'))
        {
            return "is negative; allowed: " + Allowed;
        }

        if (trimmed.Contains(':'))
        {
            if (!TimeSpan.TryParse(trimmed, CultureInfo.InvariantCulture, out duration))
            {
                return "is not a duration; allowed: " + Allowed;
            }
        }
        else if (decimal.TryParse(trimmed, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out _))
        {
            return $"has no unit; write '{trimmed}s' for seconds or '{trimmed}ms' for milliseconds";
        }
        else if (!TryParseUnits(trimmed, out duration))
        {
            return "is not a duration; allowed: " + Allowed;
        }

        return duration > Max ? "is too long; allowed: at most 576h" : null;
    }

    private static bool TryParseUnits(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var ticks = 0m;
        if (text.IsEmpty)
        {
            return false;
        }

        while (!text.IsEmpty)
        {
            var digits = text.IndexOfAnyExcept("0123456789.");
            if (digits is <= 0 or > 17 || !decimal.TryParse(
                text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            text = text[digits..];
            var end = text.IndexOfAny("0123456789.");
            var unit = end < 0 ? text : text[..end];
            text = end < 0 ? [] : text[end..];
            var factor = 0m;
            foreach (var (name, unitTicks) in s_units)
            {
                if (unit.SequenceEqual(name))
                {
                    factor = unitTicks;
                }
            }

            if (factor == 0m)
            {
                return false;
            }

            ticks = Math.Min(ticks + (number * factor), long.MaxValue);
        }

        duration = ticks >= TimeSpan.MaxValue.Ticks ? TimeSpan.MaxValue : TimeSpan.FromTicks((long)Math.Round(ticks));
        return true;
    }
}
