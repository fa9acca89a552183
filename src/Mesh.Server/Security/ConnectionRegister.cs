using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Server.Security;

/// <summary>
/// Knows the open connections of the mesh's ports, and ends each when its time is over.
/// </summary>
/// <remarks>
/// <para>When this process has got another certificate, TLS connections are <i>draining</i>: the next response on one says that it is
/// the last (HTTP/1.1), or brings a GOAWAY (HTTP/2), while that request holds the connection open, so that nothing is lost. An idle
/// one may stay: it is safe as long as its certificates are.</para>
/// <para>No connection outlives the certificates that it was made with. Some time before the first of both ends it is draining; when
/// a quarter of that time is left it is asked to close, idle or not; at the end it is aborted, whatever it carries.</para>
/// <para>One timer, which is set to the next of these moments. When rules make a port STRICT, connections of callers without a
/// certificate are asked to close, requests that come over them nevertheless are refused, and what is open after 5 s is cut.</para>
/// </remarks>
internal sealed class ConnectionRegister : IDisposable
{
    /// <summary>So long before its end a connection is draining, or for the last quarter of a short life.</summary>
    private static readonly TimeSpan s_longestLead = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan s_longestTimer = TimeSpan.FromDays(1);

    private readonly Lock _lock = new();
    /// <summary>So long after a port has become STRICT, what its callers without a certificate have open is cut.</summary>
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(5);

    /// <summary>Of callers without identity: plaintext, and TLS without a certificate.</summary>
    private readonly HashSet<MeshConnection> _anonymous = [];
    private readonly Dictionary<MeshConnection, Entry> _tls = [];
    private readonly SortedSet<Entry> _due = new(EntryOrder.Instance);
    private readonly PortModes _modes;
    private readonly MeshRuntime _runtime;
    private readonly MeshCertificates _certificates;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private DateTimeOffset _set = DateTimeOffset.MaxValue;
    private long _lastId;
    private bool _isDisposed;

    public ConnectionRegister(PortModes modes, MeshRuntime runtime, MeshCertificates certificates, TimeProvider time)
    {
        _modes = modes;
        _runtime = runtime;
        _certificates = certificates;
        _time = time;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((ConnectionRegister)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        certificates.Changed += CertificatesChanged;
        runtime.InboundChanged += RulesChanged;
    }

    /// <summary>How many connections there are.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _tls.Count + _anonymous.Count(static connection => !connection.IsTls);
            }
        }
    }

    public void Add(MeshConnection connection)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            // What has changed since the decision to let it in is made up for here: changes come with the same lock.
            if (!connection.HasPeer)
            {
                _anonymous.Add(connection);
                connection.IsRefused = _modes.Of(connection.Port) == MtlsMode.Strict;
            }

            if (connection.End is not { } end)
            {
                return;
            }

            connection.IsDraining = !ReferenceEquals(_certificates.Current?.Set, connection.Own);
            var quarter = (end - _time.GetUtcNow()) / 4;
            var entry = new Entry(++_lastId, connection, end, quarter < s_longestLead ? quarter : s_longestLead);
            _tls.Add(connection, entry);
            _due.Add(entry);
            SetTimer_NeedsLock();
        }
    }

    public void Remove(MeshConnection connection)
    {
        lock (_lock)
        {
            _anonymous.Remove(connection);
            if (_tls.Remove(connection, out var entry))
            {
                _due.Remove(entry);
            }
        }
    }

    public void Dispose()
    {
        _certificates.Changed -= CertificatesChanged;
        _runtime.InboundChanged -= RulesChanged;
        lock (_lock)
        {
            _isDisposed = true;
        }

        _timer.Dispose();
    }

    private void CertificatesChanged()
    {
        lock (_lock)
        {
            foreach (var connection in _tls.Keys)
            {
                connection.IsDraining = true;
            }
        }
    }

    private void RulesChanged()
    {
        List<MeshConnection>? close = null;
        lock (_lock)
        {
            foreach (var connection in _anonymous)
            {
                connection.IsRefused = _modes.Of(connection.Port) == MtlsMode.Strict;
                if (connection.IsRefused)
                {
                    (close ??= []).Add(connection);
                }
            }
        }

        if (close is not null)
        {
            // Not here: it runs Kestrel's code, and the rules wait.
            ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Register.CloseAsync(work.Connections), (Register: this, Connections: close), preferLocal: false);
        }
    }

    /// <summary>Lets short requests end; streams and tunnels would go on for ever.</summary>
    private async Task CloseAsync(List<MeshConnection> connections)
    {
        connections.ForEach(static one => one.RequestClose());
        await Task.Delay(s_grace, _time);
        foreach (var connection in connections)
        {
            bool isOpen;
            lock (_lock)
            {
                isOpen = connection.IsRefused && _anonymous.Contains(connection);
            }

            if (isOpen)
            {
                connection.Abort(new ConnectionAbortedException("The port has become STRICT, and the caller has no certificate."));
            }
        }
    }

    private void Tick()
    {
        List<MeshConnection> close = [];
        List<MeshConnection> abort = [];
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            var now = _time.GetUtcNow();
            while (_due.Min is { } entry && entry.Due <= now)
            {
                _due.Remove(entry);
                var connection = entry.Connection;
                connection.IsDraining = true;
                if (now >= entry.End)
                {
                    abort.Add(connection);
                    continue;
                }

                if (now >= entry.End - entry.Lead / 4)
                {
                    close.Add(connection);
                    entry.Due = entry.End;
                }
                else
                {
                    entry.Due = entry.End - entry.Lead / 4;
                }

                _due.Add(entry);
            }

            _set = DateTimeOffset.MaxValue;
            SetTimer_NeedsLock();
        }

        abort.ForEach(static connection => connection.Abort(new ConnectionAbortedException("A certificate of the connection has expired.")));
        close.ForEach(static connection => connection.RequestClose());
    }

    private void SetTimer_NeedsLock()
    {
        if (_due.Min is { } next && next.Due < _set)
        {
            _set = next.Due;
            var wait = next.Due - _time.GetUtcNow();

            // Rounded up, since a timer that fires early would only be set again.
            wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > s_longestTimer ? s_longestTimer : wait + TimeSpan.FromMilliseconds(1);
            _timer.Change(wait, Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Entry(long id, MeshConnection connection, DateTimeOffset end, TimeSpan lead)
    {
        public long Id => id;

        public MeshConnection Connection => connection;

        public DateTimeOffset End => end;

        public TimeSpan Lead => lead;

        /// <summary>When something is to be done next. Only changed while it is not in the set.</summary>
        public DateTimeOffset Due { get; set; } = end - lead;
    }

    private sealed class EntryOrder : IComparer<Entry>
    {
        public static readonly EntryOrder Instance = new();

        public int Compare(Entry? x, Entry? y)
        {
            var byDue = x!.Due.CompareTo(y!.Due);
            return byDue != 0 ? byDue : x.Id.CompareTo(y.Id);
        }
    }
}
