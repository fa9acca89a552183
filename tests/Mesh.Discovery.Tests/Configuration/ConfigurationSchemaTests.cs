using System.Text.Json.Nodes;
using Mesh.Discovery.Configuration;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Tests.Rules.Reading;

namespace Mesh.Discovery.Tests.Configuration;

/// <summary>Keeps the schema that editors use in step with what the readers read, in both directions.</summary>
public sealed class ConfigurationSchemaTests
{
    private const string Unknown = "Xyzzy";

    [Fact]
    public async Task Schema_FullSample_IsValidAndRead()
    {
        Assert.Empty(await ValidateAsync(ConfigurationSamples.Full));
        Assert.Empty(ReadAll(ConfigurationSamples.Full));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task Schema_SettingsOfSamples_AreValidAndRead(string file)
    {
        var json = await File.ReadAllTextAsync(Clone.At(file), TestContext.Current.CancellationToken);

        Assert.Empty(await ValidateAsync(json));
        Assert.Empty(ReadAll(json));
    }

    public static IEnumerable<TheoryDataRow<string>> Samples() =>
        Directory.GetFiles(Clone.At("samples"), "appsettings*.json", SearchOption.AllDirectories)
            .Select(static file => Path.GetRelativePath(Clone.At(), file).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)
            .Select(static file => new TheoryDataRow<string>(file));

    [Theory]
    [InlineData("""{ "Mesh": { "Servcie": "a" } }""")]
    [InlineData("""{ "Mesh": { "Weight": 70000 } }""")]
    [InlineData("""{ "Mesh": { "Outbound": { "Timeout": "5" } } }""")]
    [InlineData("""{ "Mesh": { "Outbound": { "UnknownHosts": "Deny" } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Route": [ { "Weight": -1 } ] } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": { "Route": [] } } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Fault": { "Delay": { "Percentage": 101, "FixedDelay": "1s" } } } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Fault": { "Abort": { "Percentage": 1, "HttpStatus": 99 } } } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Fault": { "Abort": { "Percentage": 1, "GrpcStatus": "Down" } } } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Route": [ {} ], "Mirrors": [ { "Percentage": -1 } ] } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Match": [ { "Uri": { "Exact": "/a", "Prefix": "/b" } } ] } ] } } }""")]
    [InlineData("""{ "Mesh": { "Routes": { "a": [ { "Redirect": { "Uri": "/", "RedirectCode": 300 } } ] } } }""")]
    [InlineData("""{ "Mesh": { "Services": { "a": { "Endpoints": [ { "Weight": 1 } ] } } } }""")]
    [InlineData("""{ "Mesh": { "Discovery": { "Consul": { "Check": { "Type": "Tcp" } } } } }""")]
    [InlineData("""{ "Mesh": { "Discovery": { "Consul": { "Check": { "Path": "health" } } } } }""")]
    [InlineData("""{ "Mesh": { "Discovery": { "Consul": { "Token": "a b" } } } }""")]
    [InlineData("""{ "Mesh": { "Discovery": { "Consul": { "Datacenter": "a.b" } } } }""")]
    [InlineData("""{ "Mesh": { "Config": { "Consul": { "Keyprefix2": "a" } } } }""")]
    public async Task Schema_BadSample_IsRefusedByBoth(string json)
    {
        Assert.NotEmpty(await ValidateAsync(json));
        Assert.NotEmpty(ReadAll(json));
    }

    [Fact]
    public void Schema_EveryKey_IsInTheFullSample()
    {
        var seen = new Dictionary<string, HashSet<string>>();
        Walk(JsonNode.Parse(ConfigurationSamples.Full)!, Schema(), "", (node, properties, _) =>
        {
            // Objects with the same keys are of one kind; the sample need not repeat all of them everywhere.
            var kind = string.Join(',', properties);
            var missing = seen.TryGetValue(kind, out var before) ? before : seen[kind] = [.. properties];
            missing.ExceptWith(node.Select(static pair => pair.Key));
        });

        Assert.All(seen, static pair => Assert.True(pair.Value.Count == 0, $"{pair.Key}: {string.Join(", ", pair.Value)}"));
        Assert.True(seen.Count > 30);
    }

    [Fact]
    public void Schema_EveryObject_HasTheKeysThatItsReaderAllows()
    {
        var sample = JsonNode.Parse(ConfigurationSamples.Full)!;
        var objects = new List<(JsonObject Node, IReadOnlyList<string> Properties, string Path)>();
        Walk(sample, Schema(), "", (node, properties, path) => objects.Add((node, properties, path)));

        foreach (var (node, properties, path) in objects.Where(static o => o.Path.Length > 0))
        {
            node[Unknown] = "1";
            var issue = Assert.Single(ReadAll(sample.ToJsonString()));
            node.Remove(Unknown);

            Assert.EndsWith($":{Unknown}", issue.Location.Path, StringComparison.Ordinal);
            var allowed = issue.Message[(issue.Message.IndexOf("allowed: ", StringComparison.Ordinal) + 9)..^1].Split(", ");
            Assert.True(
                allowed.Order().SequenceEqual(properties.Order()),
                $"{path}: the schema has {string.Join(", ", properties)}; the reader allows {string.Join(", ", allowed)}");
        }
    }

    [Fact]
    public void Schema_EveryProperty_IsDescribed()
    {
        var missing = new List<string>();
        Check(Schema()["properties"]!["Mesh"]!.AsObject(), "Mesh");

        Assert.Empty(missing);

        void Check(JsonObject schema, string path)
        {
            if (schema["description"] is null)
            {
                missing.Add(path);
            }

            foreach (var (key, property) in schema["properties"]?.AsObject() ?? [])
            {
                Check(property!.AsObject(), $"{path}:{key}");
            }

            foreach (var nested in new[] { schema["items"], schema["additionalProperties"] }.OfType<JsonObject>())
            {
                foreach (var (key, property) in nested["properties"]?.AsObject() ?? [])
                {
                    Check(property!.AsObject(), $"{path}:*:{key}");
                }
            }
        }
    }

    [Fact]
    public void Schema_Defaults_AreThoseOfTheOptions()
    {
        var mesh = Schema()["properties"]!["Mesh"]!["properties"]!;
        var options = new MeshOptions();

        Assert.Equal(options.Namespace, Default("Namespace"));
        Assert.Equal(options.Weight.ToString(), Default("Weight"));
        Assert.Equal(options.Discovery.File.PollInterval, Duration("Discovery:File:PollInterval"));
        Assert.Equal(options.Discovery.File.HeartbeatInterval, Duration("Discovery:File:HeartbeatInterval"));
        Assert.Equal(options.Discovery.File.Expiry, Duration("Discovery:File:Expiry"));
        var consul = options.Discovery.Consul;
        Assert.Equal(consul.AllowStale.ToString().ToLowerInvariant(), Default("Discovery:Consul:AllowStale"));
        Assert.Equal(consul.PassingOnly.ToString().ToLowerInvariant(), Default("Discovery:Consul:PassingOnly"));
        Assert.Equal(consul.WaitTime, Duration("Discovery:Consul:WaitTime"));
        Assert.Equal(consul.RequestTimeout, Duration("Discovery:Consul:RequestTimeout"));
        Assert.Equal(consul.ShrinkHold, Duration("Discovery:Consul:ShrinkHold"));
        Assert.Equal(consul.Tls.Verify.ToString().ToLowerInvariant(), Default("Discovery:Consul:Tls:Verify"));
        Assert.Equal(consul.Check.Type.ToString(), Default("Discovery:Consul:Check:Type"));
        Assert.Equal(consul.Check.Interval, Duration("Discovery:Consul:Check:Interval"));
        Assert.Equal(consul.Check.Timeout, Duration("Discovery:Consul:Check:Timeout"));
        Assert.Equal(consul.Check.Path, Default("Discovery:Consul:Check:Path"));
        Assert.Equal(
            consul.Check.DeregisterCriticalServiceAfter, Duration("Discovery:Consul:Check:DeregisterCriticalServiceAfter"));
        Assert.Equal(options.Config.Consul.KeyPrefix, Default("Config:Consul:KeyPrefix"));
        Assert.Equal(options.Config.Consul.ConfigEntries.ToString().ToLowerInvariant(), Default("Config:Consul:ConfigEntries"));
        Assert.Equal(options.Config.Consul.Intentions.ToString().ToLowerInvariant(), Default("Config:Consul:Intentions"));
        Assert.Equal(options.Config.Strict.ToString().ToLowerInvariant(), Default("Config:Strict"));
        Assert.Equal(options.Config.MaxFileSize.ToString(), Default("Config:MaxFileSize"));
        Assert.Equal(options.Config.PollInterval, Duration("Config:PollInterval"));
        Assert.Equal(options.Outbound.UnknownHosts.ToString(), Default("Outbound:UnknownHosts"));
        Assert.Equal(options.Outbound.UnknownHostTimeout, Duration("Outbound:UnknownHostTimeout"));
        Assert.Equal(options.Outbound.FirstViewTimeout, Duration("Outbound:FirstViewTimeout"));
        Assert.Equal(options.Outbound.Timeout, Duration("Outbound:Timeout"));
        Assert.Equal(options.Outbound.PerTryTimeout, Duration("Outbound:PerTryTimeout"));
        Assert.Equal(options.Outbound.IdleTimeout, Duration("Outbound:IdleTimeout"));
        Assert.Equal(options.Outbound.ConnectTimeout, Duration("Outbound:ConnectTimeout"));
        Assert.Equal(options.Outbound.RetryAttempts.ToString(), Default("Outbound:RetryAttempts"));
        Assert.Equal(options.Outbound.HeaderFaults.ToString().ToLowerInvariant(), Default("Outbound:HeaderFaults"));
        Assert.Equal(options.Outbound.MaxActiveFaults.ToString(), Default("Outbound:MaxActiveFaults"));
        Assert.Equal(options.Outbound.MaxActiveMirrors.ToString(), Default("Outbound:MaxActiveMirrors"));
        Assert.Equal(options.Outbound.MirrorTimeout, Duration("Outbound:MirrorTimeout"));
        var concurrency = options.Inbound.Concurrency;
        Assert.Equal(options.Inbound.Deadlines.ToString().ToLowerInvariant(), Default("Inbound:Deadlines"));
        Assert.Equal(options.Inbound.TrustPriority.ToString().ToLowerInvariant(), Default("Inbound:TrustPriority"));
        Assert.Equal(concurrency.Mode.ToString(), Default("Inbound:Concurrency:Mode"));
        Assert.Equal(concurrency.MinLimit.ToString(), Default("Inbound:Concurrency:MinLimit"));
        Assert.Equal(concurrency.MaxLimit.ToString(), Default("Inbound:Concurrency:MaxLimit"));
        Assert.Equal(concurrency.Window, Duration("Inbound:Concurrency:Window"));
        Assert.Equal(concurrency.MaxWait, Duration("Inbound:Concurrency:MaxWait"));
        Assert.Equal(
            concurrency.ExemptPaths,
            mesh["Inbound"]!["properties"]!["Concurrency"]!["properties"]!["ExemptPaths"]!["default"]!.AsArray().Select(static path => (string?)path));
        var security = options.Security;
        Assert.Equal(security.TrustDomain, Default("Security:TrustDomain"));
        Assert.Equal(security.RootNamespace, Default("Security:RootNamespace"));
        Assert.Equal(security.AutoMtls.ToString().ToLowerInvariant(), Default("Security:AutoMtls"));
        Assert.Equal(security.PathNormalization.ToString().ToUpperInvariant(), Default("Security:PathNormalization"));
        Assert.Equal(security.Certificates.Development.Lifetime, Duration("Security:Certificates:Development:Lifetime"));
        Assert.Equal(security.Certificates.Files.PollInterval, Duration("Security:Certificates:Files:PollInterval"));
        Assert.Equal(options.Drain.Delay, Duration("Drain:Delay"));
        Assert.Equal(options.Admin.Enabled.ToString().ToLowerInvariant(), Default("Admin:Enabled"));

        string Default(string path)
        {
            var parts = path.Split(':');
            var node = parts[..^1].Aggregate(mesh, static (at, key) => at[key]!["properties"]!);
            return node[parts[^1]]!["default"]!.ToString();
        }

        TimeSpan Duration(string path)
        {
            Assert.Null(Mesh.Discovery.Rules.Reading.DurationText.TryParse(Default(path), out var duration));
            return duration;
        }
    }

    private static JsonNode Schema() => SchemaFile.Read();

    private static Task<IEnumerable<string>> ValidateAsync(string json) => SchemaFile.ValidateAsync(json);

    private static IReadOnlyList<RuleIssue> ReadAll(string json)
    {
        var options = new MeshOptions();
        var configuration = Reader.Json(json);
        return [
            .. MeshOptionsReader.Read(configuration, options),
            .. ConfigurationCatalog.Parse(configuration, options).Issues,
            .. Reader.Configuration(json).Issues,
        ];
    }

    /// <summary>Visits every object of a document whose keys the schema names.</summary>
    private static void Walk(
        JsonNode? node, JsonNode schema, string path, Action<JsonObject, IReadOnlyList<string>, string> visit)
    {
        switch (node)
        {
            case JsonArray array:
                foreach (var item in array)
                {
                    Walk(item, schema["items"]!, path, visit);
                }

                break;
            case JsonObject map:
                var variant = schema["oneOf"]?.AsArray().FirstOrDefault(static one => one!["properties"] is not null) ?? schema;
                if (variant["properties"] is JsonObject properties)
                {
                    visit(map, [.. properties.Select(static pair => pair.Key)], path);
                    foreach (var (key, value) in map.ToList())
                    {
                        Walk(value, properties[key]!, $"{path}:{key}", visit);
                    }
                }
                else if (variant["additionalProperties"] is JsonObject any)
                {
                    foreach (var (_, value) in map.ToList())
                    {
                        Walk(value, any, $"{path}:*", visit);
                    }
                }

                break;
        }
    }
}
