using System.Globalization;
using System.Text;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Istio;

/// <summary>One file of rules, and what was read from it last.</summary>
internal sealed class RuleFile(string path, string origin, RuleFileSettings settings)
{
    private const int FirstReadTries = 3;

    private static readonly UTF8Encoding s_utf8 = new(false, throwOnInvalidBytes: true);

    private Dictionary<(int Line, string Text), IReadOnlyList<RuleDocument>> _documents = [];
    private FileVersion? _read;
    private FileVersion? _seen;
    private bool _isMissing;

    /// <summary>The rules that are good, in the order of the file.</summary>
    public IReadOnlyList<RuleConfig> Rules { get; private set; } = [];

    /// <summary>What is wrong with the file as it is now.</summary>
    public IReadOnlyList<RuleIssue> Issues { get; private set; } = [];

    /// <summary>Notes that the file was not listed.</summary>
    /// <returns>Whether it was already missing at the look before.</returns>
    public bool Missing()
    {
        var wasMissing = _isMissing;
        _isMissing = true;
        return wasMissing;
    }

    /// <summary>Reads the file if it changed.</summary>
    /// <param name="first">Whether to take it as it is, without a second look.</param>
    /// <returns>Whether a second look is wanted.</returns>
    public bool Look(bool first)
    {
        try
        {
            for (var attempt = 1; ; attempt++)
            {
                var version = FileVersion.Of(path);
                if (version is null)
                {
                    return LookAtNothing(first);
                }

                _isMissing = false;
                if (version == _read)
                {
                    _seen = version;
                    return false;
                }

                if (!first && version != _seen)
                {
                    _seen = version;
                    return true;
                }

                if (Read(version))
                {
                    return false;
                }

                _seen = null;
                if (!first)
                {
                    return true;
                }

                if (attempt == FirstReadTries)
                {
                    Fail("changes while it is read");
                    return true;
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Fail($"cannot be read: {failure.Message}");
            return false;
        }
    }

    private bool LookAtNothing(bool first)
    {
        if (!first && !Missing())
        {
            return true;
        }

        Fail(Directory.Exists(path) ? "is a directory; write 'directory/*.yaml'" : "there is no such file");
        return false;
    }

    /// <summary>Reports that the file could not be read; what was read before stays, and the next look tries again.</summary>
    private void Fail(string message)
    {
        _read = null;
        Issues = [new RuleIssue(IssueSeverity.Error, new SourceLocation(origin), message)];
    }

    /// <returns>False if the file changed meanwhile.</returns>
    private bool Read(FileVersion version)
    {
        if (version.Length > settings.MaxSize)
        {
            Refuse(version, TooLarge(version.Length));
            return true;
        }

        byte[] bytes;
        const FileShare ShareAll = FileShare.ReadWrite | FileShare.Delete;
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Read, ShareAll))
        {
            // One byte more than there should be shows a file that grew.
            var buffer = new byte[version.Length + 1];
            var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (length != version.Length || FileVersion.Of(path) != version)
            {
                return false;
            }

            bytes = buffer[..length];
        }

        if (bytes.AsSpan().StartsWith<byte>([0xFF, 0xFE]) || bytes.AsSpan().StartsWith<byte>([0xFE, 0xFF]))
        {
            Refuse(version, "is UTF-16; save it as UTF-8");
            return true;
        }

        try
        {
            var text = s_utf8.GetString(bytes);
            Apply(YamlFile.Parse(text.StartsWith('\uFEFF') ? text[1..] : text, origin));
            _read = version;
        }
        catch (DecoderFallbackException invalid)
        {
            var line = bytes.AsSpan(0, invalid.Index).Count((byte)'\n') + 1;
            Refuse(version, "is not UTF-8 text", line);
        }

        return true;
    }

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
            if (!_documents.TryGetValue(key, out var read))
            {
                read = IstioDocumentReader.Read(document, settings.Namespace, settings.Strict);
            }

            documents[key] = read;
            foreach (var one in read)
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

    private void Refuse(FileVersion version, string message, int line = 0)
    {
        _read = version;
        Rules = [];
        Issues = [new RuleIssue(IssueSeverity.Error, new SourceLocation(origin, "", line), message)];
    }

    private string TooLarge(long length) => string.Create(
        CultureInfo.InvariantCulture,
        $"has {length} bytes; allowed: at most {settings.MaxSize} (Mesh:Config:MaxFileSize)");
}

/// <summary>How a changed file is known. Links are followed: Kubernetes swaps them to change mounted files.</summary>
internal sealed record FileVersion(string Target, long Length, DateTime Modified)
{
    public static FileVersion? Of(string path)
    {
        var file = new FileInfo(path);
        if (file.LinkTarget is not null && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
        {
            file = target;
        }

        return file.Exists ? new FileVersion(file.FullName, file.Length, file.LastWriteTimeUtc) : null;
    }
}
