using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// Builds trees from the parser's events, which are the only part of the YAML library in use: its object model neither
/// keeps lines nor survives hostile input. There is no recursion here, an alias shares the node of its anchor, and
/// sizes and heights are summed up as if aliases were copies, so that work and memory are bounded and every reader
/// behind this may walk the tree freely.
/// </summary>
internal sealed class YamlTreeBuilder(string text, string origin)
{
    private const string MergeKey = "<<";

    private readonly List<YamlDocument> _documents = [];
    private readonly List<RuleIssue> _issues = [];
    private readonly Stack<Frame> _open = new();
    private readonly Dictionary<AnchorName, RuleNode?> _anchors = [];
    private RuleNode? _root;
    private int _total;

    public YamlFile Build()
    {
        if (FindControlCharacter() is { } binary)
        {
            return new YamlFile([], binary);
        }

        try
        {
            Read(new Scanner(new StringReader(text), skipComments: true));
            return new YamlFile(_documents, null);
        }
        catch (RefusedException refusal)
        {
            return new YamlFile([], new RuleIssue(IssueSeverity.Error, refusal.Location, refusal.Message));
        }
    }

    /// <summary>Asks the parser for its next event and turns what it throws into a refusal with its place.</summary>
    private bool MoveNext(Parser parser, Scanner scanner)
    {
        try
        {
            return parser.MoveNext();
        }
        catch (YamlException syntax)
        {
            throw Broken(syntax.Start, syntax.Message.Trim().TrimEnd('.'));
        }
        catch (Exception fault) when (fault is InvalidOperationException or ArgumentException or IndexOutOfRangeException)
        {
            // The scanner has no message for some broken texts, such as a list that is not closed at the next key.
            throw Broken(scanner.CurrentPosition, "a bracket, brace or quote is not closed, or a value is malformed");
        }
    }

    private RefusedException Broken(Mark place, string reason)
    {
        if (FindTab((int)place.Line) is { } line)
        {
            return Refuse(line, $"broken YAML: the line is indented with a tab, and YAML wants spaces ({reason})");
        }

        var column = place.Column.ToString(CultureInfo.InvariantCulture);
        return Refuse((int)place.Line, $"broken YAML at column {column}: {reason}");
    }

    /// <summary>The scanner often complains a line too early about a tab.</summary>
    private int? FindTab(int line)
    {
        var starts = LineStarts();
        for (var i = line; i <= line + 1 && i < starts.Count; i++)
        {
            var indent = text.AsSpan(starts[i - 1]);
            indent = indent[..(indent.Length - indent.TrimStart(" \t").Length)];
            if (indent.Contains('\t'))
            {
                return i;
            }
        }

        return null;
    }

    private void Read(Scanner scanner)
    {
        var parser = new Parser(scanner);
        var starts = LineStarts();
        var firstLine = 0;
        while (MoveNext(parser, scanner))
        {
            var line = (int)parser.Current!.Start.Line;
            switch (parser.Current)
            {
                case DocumentStart:
                    EndText(starts, line);
                    firstLine = line;
                    _anchors.Clear();
                    _issues.Clear();
                    _root = null;
                    break;
                case DocumentEnd when _root is not null and not ScalarNode { Text: null }:
                    _documents.Add(new YamlDocument(_root, firstLine, "", [.. _issues]));
                    break;
                case StreamEnd:
                    EndText(starts, starts.Count);
                    break;
                case AnchorAlias alias:
                    Add(Resolve(alias, line), line);
                    break;
                case Scalar scalar:
                    CheckTag(scalar, line);
                    Add(Scalar(scalar, line), line, scalar);
                    break;
                case MappingStart start:
                    CheckTag(start, line);
                    Open(new MapNode(origin, line, StringComparer.Ordinal), start, line);
                    break;
                case SequenceStart start:
                    CheckTag(start, line);
                    Open(new ListNode(origin, line), start, line);
                    break;
                case MappingEnd or SequenceEnd:
                    Close();
                    break;
            }
        }
    }

    /// <summary>Gives the last document its text: the lines up to where the next one starts.</summary>
    private void EndText(List<int> starts, int nextLine)
    {
        if (_documents.Count > 0 && _documents[^1].Text.Length == 0)
        {
            var last = _documents[^1];
            var from = starts[Math.Min(last.Line, starts.Count) - 1];
            var to = nextLine >= starts.Count ? text.Length : starts[nextLine - 1];
            _documents[^1] = last with { Text = text[from..Math.Max(from, to)] };
        }
    }

    private ScalarNode Scalar(Scalar scalar, int line)
    {
        var plain = scalar.Style == ScalarStyle.Plain && scalar.Tag.IsEmpty;
        return new ScalarNode(origin, line, plain && YamlScalars.IsNull(scalar.Value) ? null : scalar.Value, plain);
    }

    private void Open(RuleNode node, NodeEvent start, int line)
    {
        if (_open.Count >= YamlFile.MaxDepth)
        {
            throw Refuse(line, $"nesting is deeper than {YamlFile.MaxDepth} levels");
        }

        if (_open.TryPeek(out var parent) && parent is { Node: MapNode, Key: null })
        {
            throw Refuse(line, "a key must be a text, not a map or list");
        }

        if (!start.Anchor.IsEmpty)
        {
            // Known but not yet complete: an alias to it from within would make an endless tree.
            _anchors[start.Anchor] = null;
        }

        _open.Push(new Frame(node, start.Anchor, line));
    }

    private void Close()
    {
        var frame = _open.Pop();
        Merge(frame);
        if (!frame.Anchor.IsEmpty)
        {
            _anchors[frame.Anchor] = frame.Node;
        }

        Add(frame.Node, frame.Line);
    }

    private RuleNode Resolve(AnchorAlias alias, int line)
    {
        if (!_anchors.TryGetValue(alias.Value, out var node))
        {
            throw Refuse(line, $"the alias *{RuleText.Cut(alias.Value.Value)} has no anchor before it");
        }

        return node ?? throw Refuse(line, $"the alias *{RuleText.Cut(alias.Value.Value)} stands inside its own anchor");
    }

    private void Add(RuleNode node, int line, Scalar? scalar = null)
    {
        if (scalar is { Anchor.IsEmpty: false })
        {
            _anchors[scalar.Anchor] = node;
        }

        if (!_open.TryPeek(out var parent))
        {
            _root = node;
            Count(node.Size, line);
            return;
        }

        if (_open.Count + node.Height > YamlFile.MaxDepth)
        {
            throw Refuse(line, $"nesting is deeper than {YamlFile.MaxDepth} levels, counted through aliases");
        }

        switch (parent.Node)
        {
            case ListNode list:
                list.Add(node);
                break;
            case MapNode when parent.Key is null:
                parent.Key = (node as ScalarNode)?.Text ?? throw Refuse(line, "a key must be a text");
                parent.KeyLine = line;
                parent.IsMerge = parent.Key == MergeKey && scalar is { Style: ScalarStyle.Plain };
                return;
            case MapNode map:
                AddEntry(parent, map, node);
                parent.Key = null;
                break;
        }

        if (parent.Node.Size > YamlFile.MaxNodes)
        {
            throw TooMany(line);
        }
    }

    private void AddEntry(Frame frame, MapNode map, RuleNode value)
    {
        if (frame.IsMerge)
        {
            (frame.Merged ??= []).Add(value);
            return;
        }

        if (!map.TryAdd(new MapEntry(frame.Key!, frame.KeyLine, value)))
        {
            var first = map.Find(frame.Key!)!.Line.ToString(CultureInfo.InvariantCulture);
            _issues.Add(new RuleIssue(
                IssueSeverity.Error,
                new SourceLocation(origin, PathOf(frame.Key!), frame.KeyLine),
                $"duplicate key {RuleText.Quote(frame.Key!)}; it is already on line {first}"));
        }
    }

    /// <summary>YAML 1.1's merge key, which Kubernetes' tools accept: what the map has itself wins.</summary>
    private void Merge(Frame frame)
    {
        foreach (var value in frame.Merged ?? [])
        {
            foreach (var source in value is ListNode list ? list.Items : [value])
            {
                if (source is not MapNode merged)
                {
                    throw Refuse(value.Line, "'<<' merges a map or a list of maps");
                }

                foreach (var entry in merged.Entries)
                {
                    ((MapNode)frame.Node).TryAdd(entry);
                }

                Count(merged.Entries.Count, frame.Line);
                if (frame.Node.Size > YamlFile.MaxNodes)
                {
                    throw TooMany(frame.Line);
                }
            }
        }

        if (_open.Count + frame.Node.Height > YamlFile.MaxDepth)
        {
            throw Refuse(frame.Line, $"nesting is deeper than {YamlFile.MaxDepth} levels, counted through aliases");
        }
    }

    private void Count(int nodes, int line)
    {
        _total = (int)Math.Min(int.MaxValue, (long)_total + nodes);
        if (_total > YamlFile.MaxNodes)
        {
            throw TooMany(line);
        }
    }

    private void CheckTag(NodeEvent node, int line)
    {
        const string Core = "tag:yaml.org,2002:";
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific && !node.Tag.Value.StartsWith(Core, StringComparison.Ordinal))
        {
            throw Refuse(line, $"the tag {RuleText.Quote(node.Tag.Value)} has no meaning here");
        }
    }

    /// <summary>The path of a key of the innermost open map.</summary>
    private string PathOf(string key)
    {
        var reading = new RuleReading(RuleDialect.Istio, "", strict: false);
        var path = "";
        foreach (var frame in _open.Reverse().SkipLast(1))
        {
            path = frame.Node is ListNode list ? reading.Join(path, list.Items.Count) : reading.Join(path, frame.Key!);
        }

        return reading.Join(path, key);
    }

    private List<int> LineStarts()
    {
        var result = new List<int> { 0 };
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            var isCrAlone = c == '\r' && (i + 1 == text.Length || text[i + 1] != '\n');
            if (isCrAlone || c is '\n' or '\u0085' or '\u2028' or '\u2029')
            {
                result.Add(i + 1);
            }
        }

        result.Add(text.Length);
        return result;
    }

    /// <summary>The scanner would take NUL for the end of the text and drop what follows.</summary>
    private RuleIssue? FindControlCharacter()
    {
        var line = 1;
        foreach (var c in text)
        {
            if (c == '\n')
            {
                line++;
            }
            else if (c < ' ' && c is not ('\t' or '\r') || c == '\x7f')
            {
                var location = new SourceLocation(origin, "", line);
                return new RuleIssue(
                    IssueSeverity.Error, location, $"the control character \\u{(int)c:x4} is no YAML; is this a text?");
            }
        }

        return null;
    }

    private RefusedException TooMany(int line) => Refuse(
        line,
        string.Create(CultureInfo.InvariantCulture, $"more than {YamlFile.MaxNodes} values, counted through aliases"));

    private RefusedException Refuse(int line, string message) => new(new SourceLocation(origin, "", line), message);

    private sealed class Frame(RuleNode node, AnchorName anchor, int line)
    {
        public RuleNode Node { get; } = node;

        public AnchorName Anchor { get; } = anchor;

        public int Line { get; } = line;

        public string? Key { get; set; }

        public int KeyLine { get; set; }

        public bool IsMerge { get; set; }

        public List<RuleNode>? Merged { get; set; }
    }

    private sealed class RefusedException(SourceLocation location, string message) : Exception(message)
    {
        public SourceLocation Location { get; } = location;
    }
}
