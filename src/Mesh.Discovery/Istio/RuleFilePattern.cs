using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Istio;

/// <summary>One entry of <c>Mesh:Config:Files</c> with the files that it names.</summary>
internal sealed class RuleFilePattern(string pattern, string contentRoot, RuleFileSettings settings)
{
    private readonly SortedDictionary<string, RuleFile> _files = new(StringComparer.Ordinal);
    private readonly string _name = Path.GetFileName(pattern);
    private readonly string _directory = Path.GetDirectoryName(pattern) ?? "";

    /// <summary>In the order of their names.</summary>
    public IEnumerable<RuleFile> Files => _files.Values;

    /// <summary>What is wrong with the pattern itself.</summary>
    public IReadOnlyList<RuleIssue> Issues { get; private set; } = [];

    private bool IsLiteral => !_name.AsSpan().ContainsAny('*', '?');

    /// <summary>Looks at the files.</summary>
    /// <param name="claimed">Paths that an earlier pattern reads already; those of this one are added.</param>
    /// <param name="first">Whether nothing was published yet, so that there is nothing to protect.</param>
    /// <returns>Whether another look must confirm a change.</returns>
    public bool Look(HashSet<string> claimed, bool first)
    {
        Issues = [];
        if (_name.Length == 0 || _directory.AsSpan().ContainsAny('*', '?'))
        {
            Report(IssueSeverity.Error, "is not a pattern; allowed: a path, with '*' and '?' in the file's name only");
            return false;
        }

        if (List() is not { } listed)
        {
            return false;
        }

        var pending = Forget(listed, first);
        if (listed.Count == 0 && _files.Count == 0)
        {
            Report(IssueSeverity.Warning, "no file matches the pattern");
        }

        foreach (var name in listed)
        {
            if (!claimed.Add(FullPath(name)))
            {
                continue;
            }

            if (!_files.TryGetValue(name, out var file))
            {
                var origin = Path.Combine(_directory, name).Replace('\\', '/');
                _files.Add(name, file = new RuleFile(FullPath(name), origin, settings));
            }

            pending |= file.Look(first);
        }

        return pending;
    }

    /// <summary>
    /// Drops files that are gone for good. An editor that saves by renaming lets a file vanish for a moment, so it must
    /// be missing twice.
    /// </summary>
    private bool Forget(List<string> listed, bool first)
    {
        var pending = false;
        foreach (var (name, file) in _files.ToArray())
        {
            if (listed.Contains(name, StringComparer.Ordinal))
            {
                continue;
            }

            if (first || file.Missing())
            {
                _files.Remove(name);
            }
            else
            {
                pending = true;
            }
        }

        return pending;
    }

    /// <returns>The names; <see langword="null"/> if the directory cannot be read and all must stay as it is.</returns>
    private List<string>? List()
    {
        if (IsLiteral)
        {
            return [_name];
        }

        try
        {
            var options = new EnumerationOptions
            {
                MatchType = MatchType.Simple,
                AttributesToSkip = FileAttributes.None,
                IgnoreInaccessible = false,
            };
            var names = Directory.EnumerateFiles(FullPath(""), _name, options)
                .Select(static path => Path.GetFileName(path))
                .Where(name => !name.StartsWith('.') || _name.StartsWith('.'))
                .ToList();
            return names;
        }
        catch (DirectoryNotFoundException) when (_files.Count == 0)
        {
            Report(IssueSeverity.Warning, "no file matches the pattern: there is no such directory");
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Report(IssueSeverity.Error, $"the directory cannot be read: {failure.Message}");
            return null;
        }
    }

    private string FullPath(string name) => Path.GetFullPath(Path.Combine(contentRoot, _directory, name));

    private void Report(IssueSeverity severity, string message) =>
        Issues = [.. Issues, new RuleIssue(severity, new SourceLocation(pattern.Replace('\\', '/')), message)];
}
