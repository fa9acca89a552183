using System.Text.RegularExpressions;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads header operations (Istio: Headers).</summary>
internal static partial class HeadersReader
{
    public static HeadersConfig? Read(ObjectReader? headers)
    {
        if (headers is null)
        {
            return null;
        }

        var result = new HeadersConfig(
            Operations(headers.Object("request")), Operations(headers.Object("response")));
        headers.Done();
        return result;
    }

    /// <summary>Checks a header name; the reason is reported at the value.</summary>
    public static bool IsName(RuleValue value, string name)
    {
        if (HostText.IsToken(name))
        {
            return true;
        }

        value.Error(name.StartsWith(':')
            ? $"{RuleText.Quote(name)} is a pseudo header; use method, scheme, authority or uri in its place"
            : $"{RuleText.Quote(name)} is not a header name; allowed: letters, digits and !#$%&'*+-.^_`|~");
        return false;
    }

    private static HeaderOperationsConfig Operations(ObjectReader? operations)
    {
        if (operations is null)
        {
            return HeaderOperationsConfig.None;
        }

        var result = new HeaderOperationsConfig
        {
            Set = Pairs(operations, "set"),
            Add = Pairs(operations, "add"),
            Remove = Names(operations),
        };
        operations.Done();
        return result;
    }

    private static List<KeyValuePair<string, string>> Pairs(ObjectReader operations, string key)
    {
        var result = new List<KeyValuePair<string, string>>();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in operations.Entries(key))
        {
            if (!IsName(value, name) || value.Text() is not { } text)
            {
                continue;
            }

            if (!seen.Add(name))
            {
                value.Error($"the header {RuleText.Quote(name)} is given twice; header names do not differ by case");
            }

            if (!HostText.IsHeaderValue(text))
            {
                value.Refuse("is not a header value", "visible ASCII characters, spaces and tabs");
                continue;
            }

            if (EnvoyVariable().Match(text) is { Success: true } variable)
            {
                value.Reading.NotSupported(
                    value.Location, $"the variable {RuleText.Quote(variable.Value)}", "is sent as it is written");
            }

            result.Add(new KeyValuePair<string, string>(name, text));
        }

        return result;
    }

    private static List<string> Names(ObjectReader operations)
    {
        var result = new List<string>();
        foreach (var item in operations.Items("remove"))
        {
            if (item.Text() is { } name && IsName(item, name))
            {
                result.Add(name);
            }
        }

        return result;
    }

    /// <summary>Envoy replaces these in header values, and an Istio document that has them counts on it.</summary>
    [GeneratedRegex(@"%[A-Z][A-Z0-9_]+(\([^)%]*\))?(:\d+)?%", RegexOptions.NonBacktracking)]
    private static partial Regex EnvoyVariable();
}
