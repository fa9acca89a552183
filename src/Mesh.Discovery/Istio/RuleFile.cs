using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Istio;

/// <summary>One file of rules, and what was read from it last.</summary>
internal sealed class RuleFile(string path, string origin, RuleFileSettings settings)
{
    private const int FirstReadTries = 3;

    private readonly RuleContent _content = new(
        origin, settings.MaxSize, document => IstioDocumentReader.Read(document, settings.Namespace, settings.Strict));

    private FileVersion? _read;
    private FileVersion? _seen;
    private bool _isMissing;

    /// <summary>The rules that are good, in the order of the file.</summary>
    public IReadOnlyList<RuleConfig> Rules => _content.Rules;

    /// <summary>What is wrong with the file as it is now.</summary>
    public IReadOnlyList<RuleIssue> Issues => _content.Issues;

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
        _content.Fail(message);
    }

    /// <returns>False if the file changed meanwhile.</returns>
    private bool Read(FileVersion version)
    {
        if (_content.RefuseSize(version.Length))
        {
            _read = version;
            return true;
        }

        const FileShare ShareAll = FileShare.ReadWrite | FileShare.Delete;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, ShareAll);

        // One byte more than there should be shows a file that grew.
        var buffer = new byte[version.Length + 1];
        var length = stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        if (length != version.Length || FileVersion.Of(path) != version)
        {
            return false;
        }

        _content.Read(buffer.AsSpan(0, length));
        _read = version;
        return true;
    }
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
