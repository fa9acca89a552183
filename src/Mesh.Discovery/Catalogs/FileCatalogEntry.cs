namespace Mesh.Discovery.Catalogs;

/// <summary>What a <see cref="FileCatalogView"/> knows of one file.</summary>
internal sealed class FileCatalogEntry(string name)
{
    public string Name { get; } = name;

    /// <summary>The poll that saw the file last.</summary>
    public long Round { get; set; }
    public FileStamp Stamp { get; set; }

    /// <summary>A timestamp of the monotonic clock: the last sign of life.</summary>
    public long AliveAt { get; set; }

    /// <summary>Whether <see cref="Instance"/> is in the view.</summary>
    public bool Alive { get; set; }

    /// <summary>A timestamp of the monotonic clock: when the content was read; null before the first time.</summary>
    public long? ReadAt { get; set; }

    /// <summary>What was read; null before the first time and after a failure.</summary>
    public byte[]? Content { get; set; }

    /// <summary>The last good version.</summary>
    public FileCatalogInstance? Instance { get; set; }

    /// <summary>What is wrong with the present version, as it was logged.</summary>
    public string? Problem { get; set; }

    /// <summary>Whether deleting the file has failed.</summary>
    public bool Unsweepable { get; set; }
}

/// <summary>What a directory tells of a file without opening it.</summary>
internal readonly record struct FileStamp(long Length, DateTimeOffset Modified);
