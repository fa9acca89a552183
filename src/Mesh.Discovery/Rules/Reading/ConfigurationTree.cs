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

    /// <summary>The tree of a section; a null scalar if there is nothing.</summary>
    /// <param name="path">For example <c>Mesh:Routes</c>.</param>
    /// <param name="deepest">A path at which the nesting is too deep; the tree is cut there.</param>
    public RuleNode Read(string path, out string? deepest)
    {
        deepest = null;
        return Read(_configuration.GetSection(path), 0, ref deepest);
    }

    private RuleNode Read(IConfigurationSection section, int depth, ref string? deepest)
    {
        MapNode? map = null;
        if (depth > YamlFile.MaxDepth)
        {
            deepest ??= section.Path;
            return new ScalarNode(OriginOf(section.Path), 0, null, plain: false);
        }

        foreach (var child in section.GetChildren())
        {
            var value = Read(child, depth + 1, ref deepest);
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

    /// <summary>File providers say "… for 'appsettings.json' (Optional)"; of others the type says what they are.</summary>
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
