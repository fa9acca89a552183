using System.Globalization;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul.Filters;

/// <summary>One comparison of a filter expression.</summary>
internal static class FilterMatch
{
    public static Predicate<Endpoint> Equal(FilterOperand left, FilterOperand value)
    {
        var selector = FilterSelector.Create(left);
        if (selector.Text is { } text)
        {
            return e => text(e) == value.Value;
        }

        if (selector.Number is { } read)
        {
            var number = Integer(value);
            return e => read(e) == number;
        }

        throw NotFor(left, selector, "== and !=", "in, not in, is empty and is not empty");
    }

    public static Predicate<Endpoint> In(FilterOperand value, FilterOperand right)
    {
        var selector = FilterSelector.Create(right);
        if (selector.Text is { } text)
        {
            return e => text(e)?.Contains(value.Value, StringComparison.Ordinal) == true;
        }

        if (selector.List is { } list)
        {
            return e => list(e).Contains(value.Value, StringComparer.Ordinal);
        }

        return selector.Map is { } map
            ? e => map(e).ContainsKey(value.Value)
            : throw NotFor(right, selector, "in and contains", "== and !=");
    }

    public static Predicate<Endpoint> IsEmpty(FilterOperand left)
    {
        var selector = FilterSelector.Create(left);
        if (selector.Text is { } text)
        {
            return e => string.IsNullOrEmpty(text(e));
        }

        if (selector.List is { } list)
        {
            return e => list(e).Count == 0;
        }

        return selector.Map is { } map
            ? e => map(e).Count == 0
            : throw NotFor(left, selector, "is empty", "== and !=");
    }

    public static Predicate<Endpoint> Regex(FilterOperand left, FilterOperand value)
    {
        var selector = FilterSelector.Create(left);
        if (selector.Text is not { } text)
        {
            throw NotFor(left, selector, "matches", selector.Number is null ? "in, not in, is empty and is not empty" : "== and !=");
        }

        var issues = new IssueList();
        if (LinearRegex.Create(value.Value, ignoreCase: false, isFullMatch: false, default, issues) is not { } regex)
        {
            throw new FilterException(value.Position, issues.Issues[0].Message);
        }

        return e => text(e) is { } present && regex.IsMatch(present);
    }

    private static FilterException NotFor(FilterOperand operand, FilterSelector selector, string asked, string allowed) =>
        new(operand.Position, $"'{selector.Name}' is {selector.KindText}, for which there is no {asked}; allowed are {allowed}");

    private static long Integer(FilterOperand value)
    {
        var text = value.Value;
        var isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return isHex && long.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var number)
            || long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number)
            ? number
            : throw new FilterException(value.Position, $"'{text}' is not a whole number, which the selector needs");
    }
}
