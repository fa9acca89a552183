using System.Text;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul;

/// <summary>
/// Reads and writes the rules below a key prefix in Consul (<c>Mesh:Config:Consul:KeyPrefix</c>), which every process of
/// the mesh follows. For deployments and tools; a process that only follows the rules has no need of it.
/// </summary>
/// <remarks>
/// Safe for concurrent use, also with writers elsewhere: writes are Consul's check-and-set. Reading takes the right
/// <c>key_prefix "…" { policy = "read" }</c>, writing <c>"write"</c>.
/// </remarks>
public sealed class ConsulRuleStore : IDisposable
{
    /// <summary>How often a write without a version gives way to others before it gives up.</summary>
    private const int Tries = 5;

    private static readonly UTF8Encoding s_utf8 = new(false, throwOnInvalidBytes: true);

    private readonly ConsulClient _client;
    private readonly string _prefix;
    private readonly string _datacenter;

    /// <summary>Opens the store; nothing is asked of the agent yet.</summary>
    /// <param name="options">
    /// The agent. What they leave open is filled, in place, from Consul's environment variables.
    /// </param>
    /// <param name="keyPrefix">The prefix; a slash is added to its end. Default <c>mesh/config/</c>.</param>
    /// <exception cref="ArgumentException">The prefix is empty or cannot be one.</exception>
    /// <exception cref="MeshConfigurationException">An option has a value that is not allowed.</exception>
    /// <exception cref="IOException">An environment variable or a certificate cannot be used.</exception>
    public ConsulRuleStore(ConsulOptions options, string keyPrefix = "mesh/config/")
        : this(Prepare(options), keyPrefix, TimeProvider.System, null)
    {
    }

    internal ConsulRuleStore(ConsulOptions options, string keyPrefix, TimeProvider time, HttpMessageHandler? transport)
    {
        ArgumentNullException.ThrowIfNull(keyPrefix);
        _prefix = ConsulKeyPrefix.Normalize(keyPrefix);
        if (_prefix.Length == 0 || !ConsulKeyPrefix.IsPrefix(keyPrefix))
        {
            throw new ArgumentException(
                $"'{keyPrefix}' is not a prefix of keys; allowed: {ConsulKeyPrefix.Allowed}.", nameof(keyPrefix));
        }

        _datacenter = options.Datacenter;
        _client = transport is null ? new ConsulClient(options, time) : new ConsulClient(options, time, transport);
    }

    /// <summary>Reads all rules below the prefix, by name. Folders and empty keys are left out.</summary>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="IOException">Consul cannot be reached, or refuses.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<IReadOnlyList<ConsulRule>> ListAsync(CancellationToken cancel = default)
    {
        var query = ConsulKeyValues.Below(_prefix, _datacenter);
        var answer = await _client.GetAsync(query, 0, TimeSpan.Zero, mayBeStale: false, cancel).ConfigureAwait(false);
        if (answer.Value.Count == 0)
        {
            await ConsulKeyValues.CheckRightAsync(_client, _prefix, _datacenter, cancel).ConfigureAwait(false);
        }

        return
        [
            .. answer.Value
                .Where(entry => !entry.Key.EndsWith('/') && entry.Value is { Length: > 0 })
                .Select(entry => ToRule(entry.Key[_prefix.Length..], entry))
                .OrderBy(static rule => rule.Name, StringComparer.Ordinal),
        ];
    }

    /// <summary>Reads one key.</summary>
    /// <param name="name">The key without the prefix.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>Its rules; <see langword="null"/> if it does not exist.</returns>
    /// <exception cref="ArgumentException">The name cannot be a key.</exception>
    /// <exception cref="IOException">Consul cannot be reached, or refuses.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task<ConsulRule?> ReadAsync(string name, CancellationToken cancel = default)
    {
        var query = ConsulKeyValues.One(Key(name), _datacenter);
        var answer = await _client.GetAsync(query, 0, TimeSpan.Zero, mayBeStale: false, cancel).ConfigureAwait(false);
        return answer.Value.Count == 0 ? null : ToRule(name, answer.Value[0]);
    }

    /// <summary>Checks documents as a process would that reads them, and writes them if they are without errors.</summary>
    /// <param name="name">The key without the prefix.</param>
    /// <param name="text">One or more documents.</param>
    /// <param name="version">
    /// Of the text that this one replaces, as it was read; 0 if there must be none. Without it whatever is there is
    /// replaced, and a text that is there already is not written again.
    /// </param>
    /// <param name="cancel">Gives up; the text may have been written.</param>
    /// <exception cref="ArgumentException">The name cannot be a key.</exception>
    /// <exception cref="MeshConfigurationException">
    /// The documents have errors, all of which it lists; nothing is written.
    /// </exception>
    /// <exception cref="ConsulConflictException">The key has another version; nothing is written.</exception>
    /// <exception cref="IOException">Consul cannot be reached, or refuses.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task WriteAsync(string name, string text, ulong? version = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var key = Key(name);
        var bytes = Encode(key, text);
        Validate(key, bytes);
        for (var attempt = 1; ; attempt++)
        {
            var expected = version;
            if (expected is null)
            {
                var there = await ReadAsync(name, cancel).ConfigureAwait(false);
                if (there?.Text == text)
                {
                    return;
                }

                expected = there?.Version ?? 0;
            }

            if (await TryAsync(HttpMethod.Put, key, $"cas={expected}", bytes, cancel).ConfigureAwait(false))
            {
                return;
            }

            if (version is not null || attempt == Tries)
            {
                throw Conflict(key, version);
            }
        }
    }

    /// <summary>Deletes a key; one that does not exist is no error without a version.</summary>
    /// <param name="name">The key without the prefix.</param>
    /// <param name="version">Of the text as it was read; without it whatever is there is deleted.</param>
    /// <param name="cancel">Gives up; the key may have been deleted.</param>
    /// <exception cref="ArgumentException">The name cannot be a key.</exception>
    /// <exception cref="ConsulConflictException">
    /// The key has another version, or does not exist any more; nothing is deleted.
    /// </exception>
    /// <exception cref="IOException">Consul cannot be reached, or refuses.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task DeleteAsync(string name, ulong? version = null, CancellationToken cancel = default)
    {
        var key = Key(name);
        if (version is not { } expected)
        {
            await TryAsync(HttpMethod.Delete, key, "", null, cancel).ConfigureAwait(false);
            return;
        }

        // Consul says true for a key that is gone.
        var there = await ReadAsync(name, cancel).ConfigureAwait(false);
        if (there?.Version != expected
            || !await TryAsync(HttpMethod.Delete, key, $"cas={expected}", null, cancel).ConfigureAwait(false))
        {
            throw Conflict(key, version);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static ConsulOptions Prepare(ConsulOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ConsulEnvironment.Apply(options, Environment.GetEnvironmentVariable);
        var problems = ConsulOptionsCheck.Validate(options)
            .Select(static problem => $"Mesh:Discovery:Consul: {problem}")
            .ToList();
        return problems.Count == 0 ? options : throw new MeshConfigurationException(problems);
    }

    private static byte[] Encode(string key, string text)
    {
        try
        {
            return s_utf8.GetBytes(text);
        }
        catch (EncoderFallbackException)
        {
            throw new MeshConfigurationException(
                [$"{ConsulRuleDocuments.Origin(key)}: holds half of a surrogate pair, which is no text"]);
        }
    }

    private static void Validate(string key, byte[] bytes)
    {
        var batch = new ConsulRuleDocuments(new MeshOptions()).Update([new KeyValueEntry { Key = key, Value = bytes }]);
        var errors = batch.Issues
            .Where(static issue => issue.Severity == IssueSeverity.Error)
            .Select(static issue => issue.ToString())
            .ToList();
        if (errors.Count > 0)
        {
            throw new MeshConfigurationException(errors);
        }
    }

    private static ConsulRule ToRule(string name, KeyValueEntry entry) =>
        new(name, Encoding.UTF8.GetString(entry.Value ?? []), entry.ModifyIndex);

    private static ConsulConflictException Conflict(string key, ulong? version) => new(
        version switch
        {
            null => $"The key '{key}' in Consul was changed by others {Tries} times while it was written; nothing is written.",
            0 => $"The key '{key}' exists in Consul already; nothing is written.",
            _ => $"The key '{key}' in Consul has not the version {version} any more; nothing is changed.",
        });

    private async Task<bool> TryAsync(HttpMethod method, string key, string query, byte[]? body, CancellationToken cancel)
    {
        var path = ConsulKeyValues.Path(key, _datacenter, query);
        var right = $"key \"{key}\" {{ policy = \"write\" }}";
        var answer = await _client.SendAsync(method, path, body, right, cancel).ConfigureAwait(false);
        return answer.AsSpan().Trim(" \r\n"u8).SequenceEqual("true"u8);
    }

    private string Key(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return ConsulKeyPrefix.IsName(name) && _prefix.Length + name.Length <= 512
            ? _prefix + name
            : throw new ArgumentException(
                $"'{name}' cannot be a key; allowed: names separated by '/', without control characters, '.' and '..'.",
                nameof(name));
    }
}
