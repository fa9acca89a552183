using System.Globalization;
using System.Text;

namespace Mesh.Discovery.Consul.Filters;

/// <summary>Reads the grammar: <c>or</c> binds weaker than <c>and</c>, that weaker than <c>not</c>.</summary>
internal sealed class FilterParser(string text)
{
    private const int MaxDepth = 64;
    private const string Operators = "==, !=, in, not in, contains, not contains, is empty, is not empty, matches, not matches";

    private int _at;

    public Predicate<Endpoint> Parse()
    {
        var expression = Or(0);
        SkipSpace();
        return _at == text.Length
            ? expression
            : throw Error(_at, $"found '{Here}' where 'and', 'or' or the end is allowed; a value that is not one word of "
                + "letters, digits, '_', '/' and '.' is written in quotes");
    }

    private string Here => _at < text.Length ? text[_at..Math.Min(text.Length, _at + 20)] : "the end";

    private Predicate<Endpoint> Or(int depth)
    {
        var any = new List<Predicate<Endpoint>> { And(depth) };
        while (TryWord("or"))
        {
            any.Add(And(depth));
        }

        return any.Count == 1 ? any[0] : endpoint => any.Exists(inner => inner(endpoint));
    }

    private Predicate<Endpoint> And(int depth)
    {
        var all = new List<Predicate<Endpoint>> { Not(depth) };
        while (TryWord("and"))
        {
            all.Add(Not(depth));
        }

        return all.Count == 1 ? all[0] : endpoint => all.TrueForAll(inner => inner(endpoint));
    }

    private Predicate<Endpoint> Not(int depth)
    {
        if (depth > MaxDepth)
        {
            throw Error(_at, $"the expression is nested too deep; at most {MaxDepth} levels are allowed");
        }

        if (TryWord("not"))
        {
            return Negate(Not(depth + 1));
        }

        SkipSpace();
        if (_at == text.Length || text[_at] != '(')
        {
            return Match();
        }

        var open = _at++;
        var inner = Or(depth + 1);
        SkipSpace();
        if (_at == text.Length || text[_at] != ')')
        {
            throw Error(_at, $"found '{Here}' where 'and', 'or' or ')' is allowed (for '(' at character {open + 1})");
        }

        _at++;
        return inner;
    }

    private Predicate<Endpoint> Match()
    {
        var left = Operand("a selector, a value, 'not' or '('");
        if (left.Path is ["any" or "all"] && PeekWord() is not ("in" or "not" or "is" or "contains" or "matches"))
        {
            throw Error(left.Position, $"'{left.Value} … as … {{ … }}' is not supported; allowed are comparisons by {Operators}");
        }

        SkipSpace();
        if (TrySymbol("=="))
        {
            return FilterMatch.Equal(left, Value());
        }

        if (TrySymbol("!="))
        {
            return Negate(FilterMatch.Equal(left, Value()));
        }

        if (TryWord("is"))
        {
            var isNot = TryWord("not");
            var at = _at;
            return TryWord("empty")
                ? Negate(FilterMatch.IsEmpty(left), isNot)
                : throw Error(at, $"found '{Here}' after 'is'; allowed are empty and not empty");
        }

        var isNegated = TryWord("not");
        if (TryWord("in"))
        {
            return Negate(FilterMatch.In(left, Operand("a selector")), isNegated);
        }

        if (TryWord("contains"))
        {
            return Negate(FilterMatch.In(Value(), left), isNegated);
        }

        if (TryWord("matches"))
        {
            return Negate(FilterMatch.Regex(left, Value()), isNegated);
        }

        throw Error(_at, $"found '{Here}' where an operator is needed; allowed are {Operators}");
    }

    private static Predicate<Endpoint> Negate(Predicate<Endpoint> inner, bool really = true) =>
        really ? endpoint => !inner(endpoint) : inner;

    private FilterOperand Value() => Operand("a value");

    private FilterOperand Operand(string expected)
    {
        SkipSpace();
        var start = _at;
        if (_at == text.Length)
        {
            throw Error(_at, $"the expression ends where {expected} is needed");
        }

        return text[_at] switch
        {
            '"' or '`' => Quoted(start),
            '-' => Number(start),
            var c when char.IsAsciiDigit(c) => Number(start),
            var c when char.IsAsciiLetter(c) => Selector(start),
            _ => throw Error(start, $"found '{Here}' where {expected} is needed"),
        };
    }

    private FilterOperand Quoted(int start)
    {
        var isPointer = text[start] == '"' && start + 1 < text.Length && text[start + 1] == '/';
        var value = Literal();
        return new FilterOperand(start, value, isPointer ? [.. value[1..].Split('/').Select(Unescape)] : null);

        static string Unescape(string segment) =>
            segment.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
    }

    private FilterOperand Number(int start)
    {
        _at += text[_at] == '-' ? 1 : 0;
        var digits = _at;
        SkipDigits();
        var isNumber = _at > digits && (_at == digits + 1 || text[digits] != '0');
        if (isNumber && _at + 1 < text.Length && text[_at] == '.' && char.IsAsciiDigit(text[_at + 1]))
        {
            _at++;
            SkipDigits();
        }

        return isNumber && (_at == text.Length || text[_at] is ')' || IsSpace(text[_at]))
            ? new FilterOperand(start, text[start.._at], null)
            : throw Error(start, "this is not a number; a text that starts with a digit is written in quotes");
    }

    /// <summary>Words with dots and indexes, which are a value where one is needed.</summary>
    private FilterOperand Selector(int start)
    {
        var path = new List<string> { Identifier() };
        while (_at < text.Length)
        {
            if (text[_at] == '.' && _at + 1 < text.Length && char.IsAsciiLetter(text[_at + 1]))
            {
                _at++;
                path.Add(Identifier());
            }
            else if (text[_at] == '.' && _at + 1 < text.Length && char.IsAsciiDigit(text[_at + 1]))
            {
                var digits = ++_at;
                SkipDigits();
                path.Add(text[digits.._at]);
            }
            else if (text[_at] == '[')
            {
                path.Add(Index());
            }
            else
            {
                break;
            }
        }

        return new FilterOperand(start, string.Join('.', path), [.. path]);
    }

    private string Identifier()
    {
        var start = _at;
        while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '_' or '/'))
        {
            _at++;
        }

        return text[start.._at];
    }

    private string Index()
    {
        _at++;
        SkipSpace();
        if (_at == text.Length || text[_at] is not ('"' or '`'))
        {
            throw Error(_at, $"found '{Here}' after '['; an index is a text in quotes");
        }

        var index = Literal();
        SkipSpace();
        if (_at == text.Length || text[_at] != ']')
        {
            throw Error(_at, $"found '{Here}' where ']' is needed");
        }

        _at++;
        return index;
    }

    /// <summary>As Go reads it: in backquotes as it stands, in double quotes with Go's escapes.</summary>
    private string Literal()
    {
        var start = _at;
        var quote = text[_at++];
        var end = text.IndexOf(quote, _at);
        if (end < 0)
        {
            throw Error(start, "the text in quotes has no end");
        }

        var raw = text[_at..end];
        _at = end + 1;
        if (quote == '`')
        {
            return raw.Replace("\r", "", StringComparison.Ordinal);
        }

        return raw.Contains('\n')
            ? throw Error(start, "a text in double quotes has no line breaks")
            : raw.Contains('\\') ? Unquote(raw, start + 1) : raw;
    }

    private static string Unquote(string raw, int position)
    {
        var result = new StringBuilder(raw.Length);
        for (var i = 0; i < raw.Length; i++)
        {
            if (raw[i] != '\\')
            {
                result.Append(raw[i]);
                continue;
            }

            var at = i++;
            var c = i < raw.Length ? raw[i] : ' ';
            var simple = "abfnrtv\\".IndexOf(c);
            if (simple >= 0)
            {
                result.Append("\a\b\f\n\r\t\v\\"[simple]);
                continue;
            }

            var digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits == 0 || i + digits >= raw.Length
                || !int.TryParse(raw.AsSpan(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)
                || !Rune.IsValid(code) || (c == 'x' && code > 0x7F))
            {
                throw new FilterException(
                    position + at, @"the backslash starts no escape; allowed are \\, \a, \b, \f, \n, \r, \t, \v, \x41, \u0041 and \U00000041, "
                    + "and everything in backquotes");
            }

            result.Append(new Rune(code).ToString());
            i += digits;
        }

        return result.ToString();
    }

    private bool TrySymbol(string symbol)
    {
        if (!text.AsSpan(_at).StartsWith(symbol))
        {
            return false;
        }

        _at += symbol.Length;
        return true;
    }

    private bool TryWord(string word)
    {
        if (PeekWord() != word)
        {
            return false;
        }

        SkipSpace();
        _at += word.Length;
        return true;
    }

    private string PeekWord()
    {
        var start = _at;
        while (start < text.Length && IsSpace(text[start]))
        {
            start++;
        }

        var end = start;
        while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] is '_' or '/'))
        {
            end++;
        }

        // 'not.a' or 'or["x"]' is a selector.
        return end < text.Length && text[end] is '.' or '[' ? "" : text[start..end];
    }

    private void SkipDigits()
    {
        while (_at < text.Length && char.IsAsciiDigit(text[_at]))
        {
            _at++;
        }
    }

    private void SkipSpace()
    {
        while (_at < text.Length && IsSpace(text[_at]))
        {
            _at++;
        }
    }

    private static bool IsSpace(char c) => c is ' ' or '\t' or '\r' or '\n';

    private static FilterException Error(int position, string message) => new(position, message);
}
