namespace Bookinfo.Launcher;

/// <summary>What the command line asks for.</summary>
internal sealed record LauncherOptions
{
    /// <summary>How many pages to ask for; null: until Ctrl-C.</summary>
    public long? Requests { get; init; }

    /// <summary>One JSON object on standard output in place of the table.</summary>
    public bool Json { get; init; }

    /// <summary>Added to each request for the product page.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];

    /// <summary>Processes per service version.</summary>
    public int Replicas { get; init; } = 1;

    /// <summary>Requests in flight at any time.</summary>
    public int Concurrency { get; init; } = 16;

    /// <summary>Requests per second at most; null: as many as go.</summary>
    public double? Rate { get; init; }

    /// <summary>The product page's port.</summary>
    public int Port { get; init; } = 9080;

    /// <summary>The service of which one process is killed in the middle of the run.</summary>
    public string? Kill { get; init; }

    /// <summary>Whether all processes are restarted one by one during the run.</summary>
    public bool RollingRestart { get; init; }

    /// <summary>A directory with the rules in place of samples/Bookinfo/mesh.</summary>
    public string? Rules { get; init; }

    /// <summary>Whether Consul and not files connects the processes and holds the rules.</summary>
    public bool Consul { get; init; }

    /// <summary>Whether the services speak mTLS with each other, and nothing else.</summary>
    public bool Mtls { get; init; }

    /// <summary>A directory that takes every byte on the wire; null for none.</summary>
    public string? Capture { get; init; }
}
