using System.Text.Json.Nodes;
using Mesh.Discovery.Consul;

namespace Bookinfo.Launcher.Consul;

/// <summary>
/// What the demo writes into Consul: the rule files, as keys, and the config entries without which Consul's own rules
/// for Bookinfo could not be written. What somebody else has written is left alone, also at the end.
/// </summary>
internal sealed class ConsulDocuments(ConsulApi api, ConsulRuleStore store, EventLog events)
{
    /// <summary>Below this the mesh looks for rules, unless told otherwise.</summary>
    public const string KeyPrefix = "mesh/config/";

    private const string Folder = "bookinfo/";

    private readonly List<ConsulRule> _rules = [];
    private readonly List<(string Kind, string Name, ulong? Version)> _entries = [];

    /// <summary>The key of a rule file, without the prefix.</summary>
    public static string NameOf(string file) => Folder + Path.GetFileName(file);

    /// <summary>Writes what is not there.</summary>
    /// <param name="directories">With the rule files.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task WriteAsync(IReadOnlyList<string> directories, CancellationToken cancel)
    {
        foreach (var entry in Entries())
        {
            var (kind, name) = (entry["Kind"]!.GetValue<string>(), entry["Name"]!.GetValue<string>());
            if (await api.CreateEntryAsync(entry, cancel))
            {
                _entries.Add((kind, name, await api.VersionOfEntryAsync(kind, name, cancel)));
            }
            else
            {
                events.Write($"Consul has a {kind} '{name}' already: it stays as it is.");
            }
        }

        foreach (var file in directories.SelectMany(static one => Directory.GetFiles(one, "*.yaml").Order(StringComparer.Ordinal)))
        {
            var name = NameOf(file);
            if (await store.ReadAsync(name, cancel) is { } there)
            {
                events.Write($"Consul has a key {KeyPrefix}{there.Name} already: it is used as it is.");
                continue;
            }

            await store.WriteAsync(name, await File.ReadAllTextAsync(file, cancel), version: 0, cancel);
            _rules.Add((await store.ReadAsync(name, cancel))!);
        }
    }

    /// <summary>Takes out what <see cref="WriteAsync"/> wrote and nobody has changed since.</summary>
    public async Task RemoveAsync()
    {
        foreach (var rule in _rules)
        {
            await TryAsync($"The key {KeyPrefix}{rule.Name}", () => store.DeleteAsync(rule.Name, rule.Version));
        }

        // The other way round: Consul refuses to lose what another entry builds upon.
        foreach (var (kind, name, version) in _entries.AsEnumerable().Reverse())
        {
            await TryAsync($"The {kind} '{name}'", async () =>
            {
                if (await api.VersionOfEntryAsync(kind, name, CancellationToken.None) != version)
                {
                    throw new IOException("it was changed.");
                }

                await api.DeleteEntryAsync(kind, name, CancellationToken.None);
            });
        }
    }

    /// <summary>Consul splits and routes only what it takes for HTTP, and by subsets that it knows.</summary>
    private static IEnumerable<JsonObject> Entries()
    {
        foreach (var service in ServiceDefinition.All.Select(static one => one.Service).Distinct())
        {
            yield return new JsonObject { ["Kind"] = "service-defaults", ["Name"] = service, ["Protocol"] = "http" };
        }

        yield return new JsonObject
        {
            ["Kind"] = "service-resolver",
            ["Name"] = "reviews",
            ["Subsets"] = new JsonObject
            {
                ["v1"] = Subset("v1"),
                ["v2"] = Subset("v2"),
                ["v3"] = Subset("v3"),
            },
        };

        static JsonObject Subset(string version) => new() { ["Filter"] = $"Service.Meta.version == {version}" };
    }

    private async Task TryAsync(string what, Func<Task> remove)
    {
        try
        {
            await remove();
        }
        catch (Exception failure) when (failure is HttpRequestException or IOException)
        {
            events.Write($"{what} stays in Consul: {failure.Message}");
        }
    }
}
