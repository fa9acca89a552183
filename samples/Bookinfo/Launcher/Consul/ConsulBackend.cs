using Mesh.Discovery;
using Mesh.Discovery.Consul;

namespace Bookinfo.Launcher.Consul;

/// <summary>
/// Consul as what all processes of a run share: an agent, one that is there already or one of our own, with the rules
/// in its key-value store.
/// </summary>
internal sealed class ConsulBackend : IAsyncDisposable
{
    private const string UsualAddress = "127.0.0.1:8500";

    private readonly DevelopmentAgent? _own;
    private readonly ConsulApi _api;
    private readonly ConsulRuleStore _store;
    private readonly ConsulDocuments _documents;
    private readonly EventLog _events;
    private string _page = "";

    private ConsulBackend(Uri address, DevelopmentAgent? own, EventLog events)
    {
        Address = address;
        _own = own;
        _events = events;
        _api = new ConsulApi(address);
        _store = new ConsulRuleStore(new ConsulOptions { Address = address }, ConsulDocuments.KeyPrefix);
        _documents = new ConsulDocuments(_api, _store, events);
    }

    public Uri Address { get; }

    /// <summary>Finds or starts an agent and puts the rules there.</summary>
    /// <param name="rules">The directories with the rules.</param>
    /// <param name="paths">Where things are.</param>
    /// <param name="events">Told what is not as usual.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">Gives up.</param>
    /// <exception cref="LauncherException">That is not possible; the message says why.</exception>
    public static async Task<ConsulBackend> StartAsync(
        IReadOnlyList<string> rules, BookinfoPaths paths, EventLog events, TimeProvider time, CancellationToken cancel)
    {
        var backend = await ConnectAsync(paths, events, time, cancel);
        try
        {
            await backend.PrepareAsync(rules, cancel);
            return backend;
        }
        catch (Exception failure)
        {
            await backend.DisposeAsync();
            if (failure is HttpRequestException or IOException or MeshConfigurationException)
            {
                throw new LauncherException($"Consul at {backend.Address} cannot be used: {failure.Message}");
            }

            throw;
        }
    }

    /// <summary>What makes a process find the others, and its rules, in Consul and not in files.</summary>
    /// <param name="directory">For files of the run.</param>
    public Dictionary<string, string?> Settings(string directory)
    {
        // In place of the services' own setting, which names files with the same rules.
        var noRules = Path.Combine(directory, "no-rules.yaml");
        File.WriteAllText(noRules, "# The rules are in Consul.\n");
        return new Dictionary<string, string?>
        {
            ["Mesh:Discovery:Providers:0"] = "Consul",
            ["Mesh:Discovery:Consul:Address"] = Address.GetLeftPart(UriPartial.Authority),
            ["Mesh:Discovery:Consul:SavedViewPath"] = Path.Combine(directory, "saved"),
            ["Mesh:Config:Files:0"] = noRules,
        };
    }

    /// <summary>Where Consul is, and what to try with it while Bookinfo runs.</summary>
    /// <param name="rules">The directory with the rules.</param>
    public string Describe(string rules)
    {
        var reviews = Path.GetRelativePath(Environment.CurrentDirectory, Path.Combine(rules, "reviews.yaml"));
        var key = ConsulDocuments.KeyPrefix + ConsulDocuments.NameOf(reviews);
        var at = Address.Authority == UsualAddress ? "" : $" -http-addr={Address.GetLeftPart(UriPartial.Authority)}";
        var (put, write) = ConsulProgram.IsOnPath
            ? ($"consul kv put{at} {key} -", $"consul config write{at} -")
            : ($"curl -sT - {Address}v1/kv/{key}", $"curl -sT - {Address}v1/config");
        const string Splits = """[{"Weight":50,"ServiceSubset":"v1"},{"Weight":50,"ServiceSubset":"v3"}]""";
        const string Splitter = $$"""{"Kind":"service-splitter","Name":"reviews","Splits":{{Splits}}}""";
        return $"""
            Consul: {Address}{_page}{(_own is null ? "" : "   (started for this run; what is in it ends with it)")}
            To change the shares of reviews, put other rules into Consul, or one of its own, which is stronger:
              sed 's/weight: 25/weight: 90/; s/weight: 75/weight: 10/' {reviews} | {put}
              echo '{Splitter}' | {write}
            """;
    }

    /// <summary>Ends our own agent, or takes from another one what we brought.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_own is null)
        {
            await _documents.RemoveAsync();
        }
        else
        {
            await _own.DisposeAsync();
        }

        _store.Dispose();
        _api.Dispose();
    }

    private static async Task<ConsulBackend> ConnectAsync(
        BookinfoPaths paths, EventLog events, TimeProvider time, CancellationToken cancel)
    {
        var address = ReadAddress();
        using (var api = new ConsulApi(address))
        {
            switch (await api.LeaderAsync(cancel))
            {
                case "":
                    throw new LauncherException($"The Consul agent at {address} knows no leader of its servers.");
                case not null:
                    return new ConsulBackend(address, own: null, events);
            }
        }

        if (!address.IsLoopback || address.Scheme != Uri.UriSchemeHttp)
        {
            throw new LauncherException(
                $"No Consul agent answers at {address}, which CONSUL_HTTP_ADDR names. Without it one is started here.");
        }

        var program = await ConsulProgram.FindAsync(paths.Root, events.Write, cancel);
        var port = DevelopmentAgent.ChoosePort(address.Port);
        if (port != address.Port)
        {
            events.Write($"port {address.Port} is taken by another program; Consul uses {port}");
        }

        var own = await DevelopmentAgent.StartAsync(program, port, paths.OpenLog("consul"), time, cancel);
        return new ConsulBackend(own.Address, own, events);
    }

    private static Uri ReadAddress()
    {
        var text = Environment.GetEnvironmentVariable("CONSUL_HTTP_ADDR") ?? "";
        text = text.Length > 0 ? text : UsualAddress;
        text = text.Contains("://", StringComparison.Ordinal) ? text : $"http://{text}";
        return Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? new Uri(address, "/")
            : throw new LauncherException(
                "CONSUL_HTTP_ADDR is not of the form host:port, http://host:port or https://host:port.");
    }

    private async Task PrepareAsync(IReadOnlyList<string> rules, CancellationToken cancel)
    {
        var registered = await _api.ServicesAsync(cancel);
        var names = ServiceDefinition.All.Select(static one => one.Service).Intersect(registered).ToArray();
        if (names.Length > 0)
        {
            _events.Write($"Consul has instances of {string.Join(", ", names)} already: they get a part of the calls.");
        }

        await _documents.WriteAsync(rules, cancel);
        _page = await _api.HasUserInterfaceAsync(cancel) ? "ui" : "v1/catalog/services";
    }
}
