using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>
/// Compiles expressions of RE2's dialect, in which Istio documents are written, for .NET's engine of linear time.
/// </summary>
/// <remarks>
/// Where both dialects read one text differently, RE2's reading holds: <c>\d</c>, <c>\w</c>, <c>\s</c> and <c>[[:alpha:]]</c>
/// are ASCII, groups with a name are numbered like others. What RE2 does not have (look-around, back references, comments)
/// is refused, and so is what would grow too large: a repetition counts as often as it repeats.
/// </remarks>
internal static class LinearRegex
{
    /// <summary>RE2's own limit.</summary>
    private const int MaxRepetition = 1000;

    /// <summary>Characters, classes and so on after all repetitions are written out.</summary>
    private const int MaxSize = 5000;

    private const int MaxDepth = 100;

    private static readonly SearchValues<char> s_wordCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    private static readonly Dictionary<string, string> s_posixClasses = new(StringComparer.Ordinal)
    {
        ["alnum"] = "0-9A-Za-z",
        ["alpha"] = "A-Za-z",
        ["ascii"] = @"\x00-\x7F",
        ["blank"] = @"\t\x20",
        ["cntrl"] = @"\x00-\x1F\x7F",
        ["digit"] = "0-9",
        ["graph"] = "!-~",
        ["lower"] = "a-z",
        ["print"] = @"\x20-~",
        ["punct"] = @"!-/:-@\[-`{-~",
        ["space"] = @"\t\n\v\f\r\x20",
        ["upper"] = "A-Z",
        ["word"] = "0-9A-Za-z_",
        ["xdigit"] = "0-9A-Fa-f",
    };

    /// <summary>Compiles; a bad expression becomes an issue and null. A full match is one of all of a text.</summary>
    public static Regex? Create(string pattern, bool ignoreCase, bool isFullMatch, SourceLocation location, IssueList issues)
    {
        try
        {
            var translated = new Translation(pattern).Execute();
            var options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant;
            return new Regex(
                isFullMatch ? $@"\A(?:{translated})\z" : translated,
                ignoreCase ? options | RegexOptions.IgnoreCase : options);
        }
        catch (Exception e) when (e is FormatException or ArgumentException or NotSupportedException)
        {
            issues.Error(location, $"the regular expression '{Shorten(pattern)}' is not valid: {e.Message}");
            return null;
        }
    }

    private static string Shorten(string pattern) => pattern.Length <= 200 ? pattern : pattern[..200] + "…";

    private sealed class Translation(string pattern)
    {
        private readonly StringBuilder _text = new(pattern.Length + 16);

        /// <summary>The sizes of the groups that are open, from outside in.</summary>
        private readonly Stack<long> _groups = [];
        private int _at;

        /// <summary>Of the group that is open.</summary>
        private long _size;

        /// <summary>Of what a repetition would repeat.</summary>
        private long _last;

        public string Execute()
        {
            while (_at < pattern.Length)
            {
                Step();
                if (_size > MaxSize)
                {
                    throw new FormatException($"with its repetitions written out it has more than {MaxSize} parts");
                }
            }

            return _groups.Count == 0 ? _text.ToString() : throw new FormatException("a group is not closed");
        }

        private void Step()
        {
            var c = pattern[_at];
            switch (c)
            {
                case '\\':
                    Escape(isInClass: false);
                    break;
                case '[':
                    Class();
                    break;
                case '(':
                    Open();
                    break;
                case ')':
                    Close();
                    break;
                case '{':
                    Repetition();
                    break;
                case '*' or '+' or '?' or '|':
                    _text.Append(c);
                    _at++;
                    break;
                default:
                    Atom(c.ToString(), 1);
                    break;
            }
        }

        private void Atom(string text, int length)
        {
            _text.Append(text);
            _at += length;
            _last = 1;
            _size++;
        }

        private void Escape(bool isInClass)
        {
            if (_at + 1 >= pattern.Length)
            {
                throw new FormatException("it ends with a backslash");
            }

            switch (pattern[_at + 1])
            {
                case 'Q' when !isInClass:
                    Quoted();
                    break;
                case 'd':
                    Atom(isInClass ? "0-9" : "[0-9]", 2);
                    break;
                case 'w':
                    Atom(isInClass ? "0-9A-Za-z_" : "[0-9A-Za-z_]", 2);
                    break;
                case 's':
                    Atom(isInClass ? @"\t\n\f\r\x20" : @"[\t\n\f\r\x20]", 2);
                    break;
                case 'D' when !isInClass:
                    Atom("[^0-9]", 2);
                    break;
                case 'W' when !isInClass:
                    Atom("[^0-9A-Za-z_]", 2);
                    break;
                case 'S' when !isInClass:
                    Atom(@"[^\t\n\f\r\x20]", 2);
                    break;
                case 'p' or 'P' when _at + 2 < pattern.Length && pattern[_at + 2] != '{':
                    Atom($@"\{pattern[_at + 1]}{{{pattern[_at + 2]}}}", 3);
                    break;
                case 'p' or 'P':
                    var end = EndOf('}');
                    Atom(pattern[_at..end], end - _at);
                    break;
                case 'x' when _at + 2 < pattern.Length && pattern[_at + 2] == '{':
                    CodePoint();
                    break;
                default:
                    Atom(pattern.Substring(_at, 2), 2);
                    break;
            }
        }

        private void Quoted()
        {
            var start = _at + 2;
            var end = pattern.IndexOf(@"\E", start, StringComparison.Ordinal);
            var quoted = end < 0 ? pattern[start..] : pattern[start..end];
            foreach (var c in quoted)
            {
                Atom(Regex.Escape(c.ToString()), 0);
            }

            _at = end < 0 ? pattern.Length : end + 2;
        }

        private void CodePoint()
        {
            var end = EndOf('}');
            if (!ushort.TryParse(pattern[(_at + 3)..(end - 1)], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code))
            {
                throw new FormatException($"'{pattern[_at..end]}' is not a character of up to FFFF");
            }

            Atom($@"\u{code:X4}", end - _at);
        }

        /// <summary>Just behind the next such character.</summary>
        private int EndOf(char closing)
        {
            var end = pattern.IndexOf(closing, _at);
            return end < 0 ? throw new FormatException($"'{closing}' is missing") : end + 1;
        }

        private void Class()
        {
            var size = _size;
            _text.Append('[');
            _at++;
            if (_at < pattern.Length && pattern[_at] == '^')
            {
                _text.Append('^');
                _at++;
            }

            for (var isFirst = true; ; isFirst = false)
            {
                if (_at >= pattern.Length)
                {
                    throw new FormatException("a class is not closed: ']' is missing");
                }

                var c = pattern[_at];
                if (c == ']' && !isFirst)
                {
                    break;
                }

                if (c == '\\')
                {
                    Escape(isInClass: true);
                }
                else if (c == '[' && _at + 1 < pattern.Length && pattern[_at + 1] == ':')
                {
                    PosixClass();
                }
                else
                {
                    // .NET would read '-[' as a subtraction.
                    Atom(c is '[' or ']' ? $@"\{c}" : c.ToString(), 1);
                }
            }

            _text.Append(']');
            _at++;
            _last = 1;
            _size = size + 1;
        }

        private void PosixClass()
        {
            var end = pattern.IndexOf(":]", _at + 2, StringComparison.Ordinal);
            var name = end < 0 ? pattern[_at..] : pattern[(_at + 2)..end];
            if (end < 0 || !s_posixClasses.TryGetValue(name, out var characters))
            {
                throw new FormatException($"the class '{name}' is not known; allowed are {string.Join(", ", s_posixClasses.Keys)}");
            }

            Atom(characters, end + 2 - _at);
        }

        private void Open()
        {
            if (_at + 1 < pattern.Length && pattern[_at + 1] == '?')
            {
                OpenSpecial();
            }
            else
            {
                Push("(", 1);
            }
        }

        private void OpenSpecial()
        {
            var rest = pattern.AsSpan(_at + 2);
            var name = rest.StartsWith("P<") ? rest[2..] : rest.StartsWith("<") ? rest[1..] : default;
            var nameLength = name.IndexOfAnyExcept(s_wordCharacters);
            if (nameLength > 0 && name[nameLength] == '>')
            {
                // .NET numbers groups with a name after all others; nothing here asks for the name.
                Push("(", pattern.Length - _at - name.Length + nameLength + 1);
                return;
            }

            var flags = rest.IndexOfAnyExcept("ims-");
            if (flags >= 0 && rest[flags] == ':')
            {
                Push(pattern.Substring(_at, flags + 3), flags + 3);
            }
            else if (flags > 0 && rest[flags] == ')')
            {
                _text.Append(pattern, _at, flags + 3);
                _at += flags + 3;
                _last = 0;
            }
            else
            {
                throw new FormatException(
                    $"'(?{rest[..Math.Min(rest.Length, 3)]}' is not supported; allowed are (?:…), (?P<name>…) and the flags i, m, s");
            }
        }

        private void Push(string text, int length)
        {
            if (_groups.Count == MaxDepth)
            {
                throw new FormatException($"its groups are nested deeper than {MaxDepth}");
            }

            _groups.Push(_size);
            _size = 0;
            _last = 0;
            _text.Append(text);
            _at += length;
        }

        private void Close()
        {
            if (!_groups.TryPop(out var outer))
            {
                throw new FormatException("a ')' closes nothing");
            }

            _last = Math.Max(1, _size);
            _size = outer + _last;
            _text.Append(')');
            _at++;
        }

        private void Repetition()
        {
            var end = pattern.IndexOf('}', _at);
            var bounds = end < 0 ? "" : pattern[(_at + 1)..end];
            var comma = bounds.IndexOf(',');
            var least = comma < 0 ? bounds : bounds[..comma];
            var most = comma < 0 ? "" : bounds[(comma + 1)..];

            // Anything but numbers makes the brace a plain character, in both dialects.
            if (least.Length == 0 || !least.All(char.IsAsciiDigit) || !most.All(char.IsAsciiDigit))
            {
                Atom("{", 1);
                return;
            }

            var times = Math.Max(Number(least), most.Length == 0 ? 0 : Number(most));
            _size += _last * Math.Max(0, times - 1);
            _last *= Math.Max(1, times);
            _text.Append(pattern, _at, end + 1 - _at);
            _at = end + 1;
        }

        private static int Number(string digits) =>
            digits.Length <= 4 && int.Parse(digits, CultureInfo.InvariantCulture) is var number and <= MaxRepetition
                ? number
                : throw new FormatException($"a repetition of {digits} is too large; at most {MaxRepetition} is allowed");
    }
}
