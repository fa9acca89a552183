using System.Globalization;
using System.Text;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// What was read last from a file or key that holds rule documents. A document that did not change keeps its rules, the
/// very objects, when others of the same content do.
/// </summary>
/// <param name="origin">How issues name it.</param>
/// <param name="maxSize">More bytes are refused.</param>
/// <param name="read">Reads one document.</param>
internal sealed class RuleContent(string origin, int maxSize, Func<YamlDocument, IReadOnlyList<RuleDocument>> read)
{
    private static readonly UTF8Encoding s_utf8 = new(false, throwOnInvalidBytes: true);

    private Dictionary<(int Line, string Text), IReadOnlyList<RuleDocument>> _documents = [];

    /// <summary>The rules that are good, in the order in which they are written.</summary>
    public IReadOnlyList<RuleConfig> Rules { get; private set; } = [];

    /// <summary>What is wrong with it as it is now.</summary>
    public IReadOnlyList<RuleIssue> Issues { get; private set; } = [];

    /// <summary>Reads the content.</summary>
    public void Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > maxSize)
        {
            RefuseSize(bytes.Length);
            return;
        }

        if (bytes.StartsWith<byte>([0xFF, 0xFE]) || bytes.StartsWith<byte>([0xFE, 0xFF]))
        {
            Refuse("is UTF-16; save it as UTF-8");
            return;
        }

        try
        {
            var text = s_utf8.GetString(bytes);
            Apply(YamlFile.Parse(text.StartsWith('\uFEFF') ? text[1..] : text, origin));
        }
        catch (DecoderFallbackException invalid)
        {
            Refuse("is not UTF-8 text", bytes[..invalid.Index].Count((byte)'\n') + 1);
        }
    }

    /// <summary>Whether there are too many bytes; then it is refused.</summary>
    public bool RefuseSize(long length)
    {
        if (length <= maxSize)
        {
            return false;
        }

        Refuse(string.Create(
            CultureInfo.InvariantCulture, $"has {length} bytes; allowed: at most {maxSize} (Mesh:Config:MaxFileSize)"));
        return true;
    }

    /// <summary>Reports that it could not be read at all; the rules read before stay.</summary>
    public void Fail(string message) => Issues = [Error(message)];

    private void Apply(YamlFile file)
    {
        if (file.Failure is { } failure)
        {
            (Rules, Issues) = ([], [failure]);
            return;
        }

        var documents = new Dictionary<(int, string), IReadOnlyList<RuleDocument>>();
        var rules = new List<RuleConfig>();
        var issues = new List<RuleIssue>();
        foreach (var document in file.Documents)
        {
            // The line is part of the key: a document that moved is read again, so that later issues name its place.
            var key = (document.Line, document.Text);
            var result = _documents.GetValueOrDefault(key) ?? read(document);
            documents[key] = result;
            foreach (var one in result)
            {
                issues.AddRange(one.Issues);
                if (one.Rule is not null)
                {
                    rules.Add(one.Rule);
                }
            }
        }

        (_documents, Rules, Issues) = (documents, rules, issues);
    }

    private void Refuse(string message, int line = 0) => (Rules, Issues) = ([], [Error(message, line)]);

    private RuleIssue Error(string message, int line = 0) =>
        new(IssueSeverity.Error, new SourceLocation(origin, "", line), message);
}
