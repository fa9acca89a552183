using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Builds trees from configuration sections.</summary>
internal sealed class ConfigurationTree
{
    private readonly IConfiguration _configuration;
    private readonly (IConfigurationProvider Provider, string Name)[] _providers;

    public ConfigurationTree(IConfiguration configuration)
    {
        _configuration = configuration;

        // The last provider wins, so it is asked first who gave a value.
        _providers = configuration is IConfigurationRoot root
            ? [.. root.Providers.Reverse().Select(static provider => (provider, NameOf(provider)))]
            : [];
    }

    /// <summary>The section's value for a reading, which is told if the nesting is too deep.</summary>
    /// <param name="path">For example <c>Mesh:Routes</c>.</param>
    /// <param name="reading">The reading.</param>
    public RuleValue Read(string path, RuleReading reading) =>
        new(reading, Read(_configuration.GetSection(path), 0, reading), path);

    private RuleNode Read(IConfigurationSection section, int depth, RuleReading reading)
    {
        if (depth > YamlFile.MaxDepth)
        {
            var place = new SourceLocation(OriginOf(section.Path), section.Path);
            reading.Error(place, $"nesting is deeper than {YamlFile.MaxDepth} levels");
            return new ScalarNode(place.Origin, 0, null, plain: false);
        }

        MapNode? map = null;
        foreach (var child in section.GetChildren())
        {
            var value = Read(child, depth + 1, reading);
            map ??= new MapNode(value.Origin, 0, StringComparer.OrdinalIgnoreCase) { StrayText = section.Value };
            map.TryAdd(new MapEntry(child.Key, 0, value));
        }

        return map ?? (RuleNode)new ScalarNode(OriginOf(section.Path), 0, section.Value, plain: false);
    }

    private string OriginOf(string path)
    {
        foreach (var (provider, name) in _providers)
        {
            if (provider.TryGet(path, out _))
            {
                return name;
            }
        }

        return "configuration";
    }

    /// <summary>File providers say "… for 'appsettings.json' (Optional)"; of others the type says it.</summary>
    private static string NameOf(IConfigurationProvider provider)
    {
        var text = provider.ToString() ?? "";
        var start = text.IndexOf(" for '", StringComparison.Ordinal);
        var end = text.LastIndexOf('\'');
        if (start >= 0 && end > start + 6)
        {
            return text[(start + 6)..end];
        }

        return provider.GetType().Name switch
        {
            "EnvironmentVariablesConfigurationProvider" => "environment variables",
            "CommandLineConfigurationProvider" => "command line",
            "MemoryConfigurationProvider" => "configuration set in code",
            "ChainedConfigurationProvider" => "configuration",
            var name => name,
        };
    }
}
