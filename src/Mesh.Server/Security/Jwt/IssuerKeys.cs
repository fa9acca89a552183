using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Security.Jwt;

/// <summary>The keys of one issuer: those of the rule, or fetched ones, which are kept fresh as long as they are asked for.</summary>
/// <remarks>
/// <para>They are fetched again after <see cref="s_refresh"/> (Istio's interval), while the old ones serve on; only when nobody has
/// asked for twice as long, requests wait for it, so that a key that was withdrawn meanwhile verifies nothing. When a fetch fails, the
/// last good ones stay, and the next is tried after a pause.</para>
/// <para>There is one fetch at a time, for all who wait. A key that nobody knows leads to one too, but not before
/// <see cref="s_unknownKeyPause"/> has passed since the last: tokens with invented keys must not become requests to the issuer.</para>
/// </remarks>
internal sealed partial class IssuerKeys
{
    private static readonly TimeSpan s_refresh = TimeSpan.FromMinutes(20);
    private static readonly TimeSpan s_unknownKeyPause = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly JwtRuleConfig _rule;
    private readonly KeyFetcher _fetcher;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private volatile KeyTable? _table;
    private long _fetched;
    private long _lastEnd;
    private TimeSpan _pause;
    private int _failures;
    private Task? _fetch;

    public IssuerKeys(JwtRuleConfig rule, KeyFetcher fetcher, TimeProvider time, ILogger logger)
    {
        _rule = rule;
        _fetcher = fetcher;
        _time = time;
        _logger = logger;
        if (rule.Keys is { } keys)
        {
            _table = new KeyTable(keys);
        }
        else
        {
            Fetch();
        }
    }

    /// <summary>The keys as they are now, whatever their age; null if there were never any.</summary>
    public KeyTable? Current => _table;

    /// <summary>The keys; null if there are none.</summary>
    public async ValueTask<KeyTable?> GetAsync(CancellationToken cancel)
    {
        var table = _table;
        if (_rule.Keys is not null)
        {
            return table;
        }

        var age = table is null ? TimeSpan.MaxValue : _time.GetElapsedTime(Volatile.Read(ref _fetched));
        if (age < s_refresh || Fetch() is not { } fetch || age < 2 * s_refresh)
        {
            return table;
        }

        await fetch.WaitAsync(cancel);
        return _table;
    }

    /// <summary>Keys that are newer than some in which the one of a token was not; the same ones if there are none yet.</summary>
    public async ValueTask<KeyTable?> GetNewerAsync(KeyTable than, CancellationToken cancel)
    {
        if (_rule.Keys is null && ReferenceEquals(_table, than) && Fetch() is { } fetch)
        {
            await fetch.WaitAsync(cancel);
        }

        return _table;
    }

    /// <summary>The fetch that is under way, or a new one; null in the pause after one.</summary>
    private Task? Fetch()
    {
        lock (_lock)
        {
            if (_fetch is null && _time.GetElapsedTime(_lastEnd) >= _pause)
            {
                // Whoever asked first may go; the others wait on.
                using (ExecutionContext.SuppressFlow())
                {
                    _fetch = Task.Run(FetchAsync);
                }
            }

            return _fetch;
        }
    }

    private async Task FetchAsync()
    {
        KeyTable? table = null;
        try
        {
            table = new KeyTable(await _fetcher.FetchAsync(_rule));
        }
        catch (Exception e)
        {
            // Of any sort: a wait that never ended would be worse than no keys.
            if (_failures == 0)
            {
                var reason = e is OperationCanceledException ? $"no answer in {_rule.Timeout.TotalSeconds:0.###} s" : e.Message;
                Log.NoKeys(
                    _logger, RuleText.Cut(_rule.Issuer, 300), KeyFetcher.AddressOf(_rule), RuleText.Cut(reason, 300),
                    _table is null ? "Its tokens are refused" : "The last good ones stay");
            }
        }

        lock (_lock)
        {
            var now = _time.GetTimestamp();
            if (table is not null)
            {
                if (_failures > 0)
                {
                    Log.KeysAgain(_logger, RuleText.Cut(_rule.Issuer, 300), KeyFetcher.AddressOf(_rule));
                }

                // The time first: no reader may take new keys for old ones.
                Volatile.Write(ref _fetched, now);
                _table = table;
                _failures = 0;
                _pause = s_unknownKeyPause;
            }
            else
            {
                _failures++;
                var pause = TimeSpan.FromSeconds(Math.Min(s_longestPause.TotalSeconds, Math.Pow(2, _failures - 1)));
                _pause = _table is null || pause > s_unknownKeyPause ? pause : s_unknownKeyPause;
            }

            _lastEnd = now;
            _fetch = null;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2051, LogLevel.Warning, "The keys of the issuer '{Issuer}' could not be fetched from {Uri}: {Reason}. {Consequence} until they can be.")]
        public static partial void NoKeys(ILogger logger, string issuer, Uri uri, string reason, string consequence);

        [LoggerMessage(2052, LogLevel.Information, "The keys of the issuer '{Issuer}' are fetched from {Uri} again.")]
        public static partial void KeysAgain(ILogger logger, string issuer, Uri uri);
    }
}
