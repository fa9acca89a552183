using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>What a scalar without quotes is, by YAML 1.2's core schema.</summary>
internal static class YamlScalars
{
    public static bool IsNull(string text) => text is "" or "~" or "null" or "Null" or "NULL";

    public static bool IsNumberOrTruth(string text)
    {
        if (text is "true" or "True" or "TRUE" or "false" or "False" or "FALSE")
        {
            return true;
        }

        var digits = text.AsSpan().TrimStart("+-");
        return digits.Length > 0 && (char.IsAsciiDigit(digits[0]) || digits[0] == '.')
            && (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
                || IsRadix(digits, "0x", "0123456789abcdefABCDEF") || IsRadix(digits, "0o", "01234567"));
    }

    /// <summary>
    /// Reads a whole number as protobuf's JSON mapping does: also in quotes, also as <c>25.0</c>. Leading zeros are
    /// refused, because older YAML readers take them for octal.
    /// </summary>
    public static bool TryParseInteger(string text, out long number)
    {
        number = 0;
        var digits = text.AsSpan().TrimStart('-');
        if (digits.Length > 1 && digits[0] == '0' && char.IsAsciiDigit(digits[1]))
        {
            return false;
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number))
        {
            return true;
        }

        const NumberStyles Styles = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (decimal.TryParse(text, Styles, CultureInfo.InvariantCulture, out var value)
            && value == decimal.Truncate(value) && Math.Abs(value) < long.MaxValue)
        {
            number = (long)value;
            return true;
        }

        return false;
    }

    private static bool IsRadix(ReadOnlySpan<char> text, string prefix, string digits) =>
        text.Length > 2 && text.StartsWith(prefix) && !text[2..].ContainsAnyExcept(digits);
}
