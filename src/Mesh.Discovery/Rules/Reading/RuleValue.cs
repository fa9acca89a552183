using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// A node at its path, and the conversions to what a field wants. A conversion that fails reports place, value and what
/// is allowed, and returns <see langword="null"/> so that the reading goes on and finds the other errors too.
/// </summary>
internal readonly record struct RuleValue(RuleReading Reading, RuleNode Node, string Path)
{
    public SourceLocation Location => Reading.At(Node, Path);

    public bool IsNull => Node is ScalarNode { Text: null };

    /// <summary>Nothing below: null, an empty map or list, or the empty text that configuration makes of it.</summary>
    public bool IsEmpty => Node switch
    {
        ScalarNode { Text: null } => true,
        ScalarNode { Text: "" } => Reading.Dialect == RuleDialect.Configuration,
        MapNode map => map.Entries.Count == 0,
        ListNode list => list.Items.Count == 0,
        _ => false,
    };

    public void Error(string message) => Reading.Error(Location, message);

    /// <summary>Reports the value as wrong: <c>'-5' is out of range; allowed: 0 to 65535</c>.</summary>
    public void Refuse(string isWhat, string allowed) =>
        Error($"{RuleText.Describe(Node)} {isWhat}; allowed: {allowed}");

    public string? Text()
    {
        if (Node is not ScalarNode { Text: { } text } scalar)
        {
            Refuse("is not a text", "one text");
            return null;
        }

        // Istio's schema refuses these too: a version label 1.10 would otherwise reach others as the number 1.1.
        if (scalar.Plain && YamlScalars.IsNumberOrTruth(text))
        {
            Refuse("is a number or truth value and not a text", $"a text, in quotes: \"{RuleText.Cut(text)}\"");
            return null;
        }

        return text;
    }

    /// <summary>A text that can be part of a URI, host or header line without breaking out of it.</summary>
    public string? Line()
    {
        var text = Text();
        if (text is not null && text.AsSpan().ContainsAnyInRange('\0', '\x1f') || text?.Contains('\x7f') == true)
        {
            Refuse("holds a line break or control character", "text on one line");
            return null;
        }

        return text;
    }

    public int? Int(int min = 0, int max = int.MaxValue)
    {
        var allowed = max == int.MaxValue ? $"a whole number of at least {min}" : $"a whole number from {min} to {max}";
        if (Node is not ScalarNode { Text: { } text } || !YamlScalars.TryParseInteger(text, out var number))
        {
            Refuse("is not a whole number", allowed);
            return null;
        }

        if (number < min || number > max)
        {
            Refuse("is out of range", allowed);
            return null;
        }

        return (int)number;
    }

    public double? Number(double min, double max)
    {
        if (Node is not ScalarNode { Text: { } text }
            || !double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            || number < min || number > max)
        {
            Refuse("is not a number in range", string.Create(CultureInfo.InvariantCulture, $"a number from {min} to {max}"));
            return null;
        }

        return number;
    }

    public bool? Bool()
    {
        switch ((Node as ScalarNode)?.Text?.ToLowerInvariant())
        {
            case "true" or "yes" or "on":
                return true;
            case "false" or "no" or "off":
                return false;
            default:
                Refuse("is not a truth value", "true or false");
                return null;
        }
    }

    public TimeSpan? Duration(TimeSpan min = default, TimeSpan? max = null)
    {
        if (Node is not ScalarNode { Text: { } text })
        {
            Refuse("is not a duration", DurationText.Allowed);
            return null;
        }

        if (DurationText.TryParse(text, out var duration) is { } wrong)
        {
            Error($"{RuleText.Quote(text)} {wrong}");
            return null;
        }

        if (duration < min)
        {
            Refuse("is too short", string.Create(CultureInfo.InvariantCulture, $"at least {min.TotalMilliseconds}ms"));
            return null;
        }

        if (duration > max)
        {
            Refuse("is too long", string.Create(CultureInfo.InvariantCulture, $"at most {max.Value.TotalSeconds}s"));
            return null;
        }

        return duration;
    }

    /// <summary>A number, or Istio's <c>{ value: 0.1 }</c>; the number alone in configuration only.</summary>
    public Share? Percentage()
    {
        if (Node is not ScalarNode || Reading.Dialect != RuleDialect.Configuration)
        {
            if (Object() is not { } percent)
            {
                return null;
            }

            var value = percent.Find("value");
            percent.Done();

            // A number that is not written is 0 in Istio's format.
            return value is { } written ? written.PercentageNumber() : Share.None;
        }

        return PercentageNumber();
    }

    private Share? PercentageNumber()
    {
        const string Allowed = "a number from 0 to 100, in steps of 0.0001";
        if (Node is not ScalarNode { Text: { } text }
            || !decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var percentage))
        {
            Refuse("is not a percentage", Allowed);
            return null;
        }

        if (Share.FromPercentage(percentage) is { } share)
        {
            return share;
        }

        Refuse(percentage is >= 0 and <= 100 ? "has too many decimals" : "is out of range", Allowed);
        return null;
    }

    /// <summary>One of some words; the configuration dialect does not mind their case.</summary>
    public T? OneOf<T>(params (string Word, T Value)[] words) where T : struct
    {
        if (Text() is not { } text)
        {
            return null;
        }

        var comparison = Reading.Dialect == RuleDialect.Configuration
            ? StringComparison.OrdinalIgnoreCase
            : StringComparison.Ordinal;
        foreach (var (word, value) in words)
        {
            if (word.Equals(text, comparison))
            {
                return value;
            }
        }

        RefuseWord(text, "is not known", [.. words.Select(static pair => pair.Word)]);
        return null;
    }

    /// <summary>Reports a word that is none of those allowed, with the one that was probably meant.</summary>
    public void RefuseWord(string word, string isWhat, IReadOnlyList<string> allowed)
    {
        var nearest = RuleText.Nearest(word, allowed);
        var meant = nearest is null ? "" : $"; did you mean '{nearest}'?";
        Error($"{RuleText.Quote(word)} {isWhat}{meant} (allowed: {string.Join(", ", allowed)})");
    }

    public ObjectReader? Object()
    {
        switch (Node)
        {
            case MapNode map:
                RefuseStrayText(map, "keys");
                return new ObjectReader(Reading, map, Path);
            case var _ when Reading.Dialect == RuleDialect.Configuration && IsEmpty:
                var empty = new MapNode(Node.Origin, Node.Line, StringComparer.OrdinalIgnoreCase);
                return new ObjectReader(Reading, empty, Path);
            default:
                Refuse("stands where keys and values are wanted", "a map");
                return null;
        }
    }

    /// <summary>The items of a list; empty if it is none.</summary>
    public IReadOnlyList<RuleValue> Items()
    {
        var result = new List<RuleValue>();
        switch (Node)
        {
            case ListNode list:
                for (var i = 0; i < list.Items.Count; i++)
                {
                    result.Add(new RuleValue(Reading, list.Items[i], Reading.Join(Path, i)));
                }

                return result;
            case MapNode map when Reading.Dialect == RuleDialect.Configuration
                && map.Entries.All(static entry => int.TryParse(entry.Key, NumberStyles.None, null, out _)):
                RefuseStrayText(map, "a list");
                foreach (var entry in map.Entries)
                {
                    result.Add(new RuleValue(Reading, entry.Value, Reading.Join(Path, entry.Key)));
                }

                return result;
            case var _ when Reading.Dialect == RuleDialect.Configuration && IsEmpty:
                return result;
            default:
                Refuse("stands where a list is wanted", "a list; write one item as [ … ]");
                return result;
        }
    }

    /// <summary>The keys and values of a map whose keys are free names; empty if it is none.</summary>
    public IReadOnlyList<(string Key, RuleValue Value)> Entries()
    {
        var result = new List<(string, RuleValue)>();
        if (Object() is { } map)
        {
            foreach (var entry in map.Node.Entries)
            {
                result.Add((entry.Key, new RuleValue(Reading, entry.Value, Reading.Join(Path, entry.Key))));
            }
        }

        return result;
    }

    public Labels Labels()
    {
        var pairs = new List<KeyValuePair<string, string>>();
        foreach (var (key, value) in Entries())
        {
            if (value.Text() is { } text)
            {
                pairs.Add(new KeyValuePair<string, string>(key, text));
            }
        }

        return pairs.Count == 0 ? Discovery.Labels.Empty : new Labels(pairs);
    }

    /// <summary>The texts of a list, without empty ones.</summary>
    public IReadOnlyList<string> Texts()
    {
        var result = new List<string>();
        foreach (var item in Items())
        {
            if (item.Line() is not { } text)
            {
                continue;
            }

            if (text.Length == 0)
            {
                item.Refuse("is empty", "a text");
                continue;
            }

            result.Add(text);
        }

        return result;
    }

    private void RefuseStrayText(MapNode map, string wanted)
    {
        if (!string.IsNullOrEmpty(map.StrayText))
        {
            Error($"has both the text {RuleText.Quote(map.StrayText)} and {wanted} below it; remove one of the two");
        }
    }
}
