using System.Globalization;

namespace Mesh.Client.Pipeline;

/// <summary>
/// How the time that is left travels with a request: as Envoy's router sends it, and as gRPC does. Both are relative, so no
/// two clocks are ever compared; the time on the way is not counted.
/// </summary>
internal static class DeadlineHeaders
{
    /// <summary>Envoy, config/router: whole milliseconds.</summary>
    public const string ExpectedTimeout = "x-envoy-expected-rq-timeout-ms";

    /// <summary>gRPC, PROTOCOL-HTTP2: at most 8 digits and a unit.</summary>
    public const string GrpcTimeout = "grpc-timeout";

    /// <summary>More than this (31 years) says nothing.</summary>
    private const long MaxMilliseconds = 1_000_000_000_000;

    private const int MaxGrpcValue = 99_999_999;

    private static readonly TextCache s_milliseconds = new("");
    private static readonly TextCache s_grpc = new("m");

    /// <summary>Reads milliseconds. Of several values, in a list or not, the caller takes the smallest; what is no number is ignored.</summary>
    /// <returns>Null if it says nothing.</returns>
    public static TimeSpan? ParseMilliseconds(ReadOnlySpan<char> value) => Smallest(value, isGrpc: false);

    /// <summary>Reads a gRPC timeout, as <see cref="ParseMilliseconds"/> does.</summary>
    public static TimeSpan? ParseGrpc(ReadOnlySpan<char> value) => Smallest(value, isGrpc: true);

    /// <summary>
    /// Whole milliseconds, rounded down, but at least 1: to some a zero means that there is no limit.
    /// </summary>
    public static string FormatMilliseconds(TimeSpan timeout) =>
        s_milliseconds.Get(Math.Clamp(timeout.Ticks / TimeSpan.TicksPerMillisecond, 1, MaxMilliseconds));

    /// <summary>Never more than what is given: rounded down to milliseconds, or to what 8 digits can hold.</summary>
    public static string FormatGrpc(TimeSpan timeout)
    {
        var ticks = Math.Max(0, timeout.Ticks);
        if (ticks < 10 * TimeSpan.TicksPerMillisecond)
        {
            return ticks < TimeSpan.TicksPerMicrosecond ? "0n" : Text(ticks / TimeSpan.TicksPerMicrosecond, "u");
        }

        var milliseconds = ticks / TimeSpan.TicksPerMillisecond;
        return milliseconds <= MaxGrpcValue ? s_grpc.Get(milliseconds)
            : milliseconds / 1000 <= MaxGrpcValue ? Text(milliseconds / 1000, "S")
            : milliseconds / 60_000 <= MaxGrpcValue ? Text(milliseconds / 60_000, "M")
            : Text(Math.Min(milliseconds / 3_600_000, MaxGrpcValue), "H");
    }

    private static TimeSpan? Smallest(ReadOnlySpan<char> value, bool isGrpc)
    {
        TimeSpan? smallest = null;
        foreach (var range in value.Split(','))
        {
            var part = value[range].Trim(" \t");
            if ((isGrpc ? ParseOneGrpc(part) : ParseOneMilliseconds(part)) is { } timeout && !(timeout >= smallest))
            {
                smallest = timeout;
            }
        }

        return smallest;
    }

    private static TimeSpan? ParseOneMilliseconds(ReadOnlySpan<char> value) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds <= MaxMilliseconds
            ? TimeSpan.FromTicks(milliseconds * TimeSpan.TicksPerMillisecond)
            : null;

    private static TimeSpan? ParseOneGrpc(ReadOnlySpan<char> value)
    {
        if (value.Length is < 2 or > 9 || !int.TryParse(value[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return null;
        }

        return value[^1] switch
        {
            'H' => TimeSpan.FromTicks(number * TimeSpan.TicksPerHour),
            'M' => TimeSpan.FromTicks(number * TimeSpan.TicksPerMinute),
            'S' => TimeSpan.FromTicks(number * TimeSpan.TicksPerSecond),
            'm' => TimeSpan.FromTicks(number * TimeSpan.TicksPerMillisecond),
            'u' => TimeSpan.FromTicks(number * TimeSpan.TicksPerMicrosecond),
            'n' => TimeSpan.FromTicks(number / TimeSpan.NanosecondsPerTick),
            _ => null,
        };
    }

    private static string Text(long value, string unit) => string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");

    /// <summary>Texts of the values that come again and again: below a second, and tenths of seconds below 100 s.</summary>
    private sealed class TextCache(string unit)
    {
        private const int Step = 100;

        private readonly string?[] _small = new string?[1000];
        private readonly string?[] _steps = new string?[1000];

        public string Get(long value)
        {
            if (value < _small.Length)
            {
                return _small[value] ??= Text(value, unit);
            }

            var (step, rest) = Math.DivRem(value, Step);
            return rest == 0 && step < _steps.Length ? _steps[step] ??= Text(value, unit) : Text(value, unit);
        }
    }
}
