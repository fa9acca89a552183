using System.Buffers;

namespace Mesh.Discovery.Consul;

/// <summary>Names in native rules.</summary>
internal static class ConsulName
{
    private const int MaxLength = 255;

    private static readonly SearchValues<char> s_allowed =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

    /// <summary>The service of that name.</summary>
    /// <exception cref="ConsulRuleException">No service of the mesh can have the name.</exception>
    public static ServiceName Service(string? name, string @namespace, string path)
    {
        Check(name, path);
        return new ServiceName(name!, @namespace);
    }

    /// <exception cref="ConsulRuleException">It cannot be a part of a host.</exception>
    public static void Check(string? name, string path)
    {
        if (string.IsNullOrEmpty(name) || name.Length > MaxLength || name.AsSpan().ContainsAnyExcept(s_allowed))
        {
            var shown = name is { Length: > 40 } ? name[..40] + "…" : name;
            throw new ConsulRuleException(path, $"the name '{shown}' is not supported; a name is one part of a host, of letters, digits, '-' and '_', "
                + $"of at most {MaxLength} characters");
        }
    }
}
