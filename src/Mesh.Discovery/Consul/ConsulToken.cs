namespace Mesh.Discovery.Consul;

/// <summary>The ACL token: from the options, or from a file that somebody may renew at any time.</summary>
internal sealed class ConsulToken(ConsulOptions options)
{
    /// <summary>The token; null for none.</summary>
    /// <exception cref="ConsulException">The file cannot be read.</exception>
    public string? Read()
    {
        if (options.Token.Length > 0)
        {
            return options.Token;
        }

        if (options.TokenFile.Length == 0)
        {
            return null;
        }

        try
        {
            // Each time: the times of a mounted secret are those of its links, which do not change with it.
            var token = File.ReadAllText(options.TokenFile).Trim();
            return token.Length > 0 ? token : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConsulException($"The file of the Consul token cannot be read: {e.Message}", null, e);
        }
    }

    /// <summary>Where it is from; never what it is.</summary>
    public string Describe() =>
        options.Token.Length > 0 ? "The token of Mesh:Discovery:Consul:Token or CONSUL_HTTP_TOKEN"
        : options.TokenFile.Length > 0 ? $"The token in {options.TokenFile}"
        : "The anonymous token (none is set)";
}
