namespace Mesh.Discovery.Consul;

/// <summary>Consul's own environment variables fill what the options leave open.</summary>
internal static class ConsulEnvironment
{
    /// <summary>Fills the options.</summary>
    /// <param name="options">The options.</param>
    /// <param name="read">Reads a variable; null if it is not set.</param>
    /// <exception cref="ConsulException">A variable's value cannot be used.</exception>
    public static void Apply(ConsulOptions options, Func<string, string?> read)
    {
        options.Address ??= ReadAddress(read);
        if (options.Token.Length == 0 && options.TokenFile.Length == 0)
        {
            options.Token = Value("CONSUL_HTTP_TOKEN");
            options.TokenFile = Value("CONSUL_HTTP_TOKEN_FILE");
        }

        var tls = options.Tls;
        tls.CaFile = tls.CaFile.Length > 0 ? tls.CaFile : Value("CONSUL_CACERT");
        if (tls.CertificateFile.Length == 0)
        {
            tls.CertificateFile = Value("CONSUL_CLIENT_CERT");
            tls.KeyFile = tls.KeyFile.Length > 0 ? tls.KeyFile : Value("CONSUL_CLIENT_KEY");
        }

        tls.ServerName = tls.ServerName.Length > 0 ? tls.ServerName : Value("CONSUL_TLS_SERVER_NAME");
        tls.Verify = tls.Verify && !IsFalse(Value("CONSUL_HTTP_SSL_VERIFY"));

        string Value(string name) => read(name) ?? "";
    }

    private static Uri ReadAddress(Func<string, string?> read)
    {
        var text = read("CONSUL_HTTP_ADDR") is { Length: > 0 } value ? value : "127.0.0.1:8500";
        var ssl = read("CONSUL_HTTP_SSL") is { Length: > 0 } wanted && !IsFalse(wanted);

        // Not repeated: it may hold a password.
        return ConsulAddress.TryParse(text, ssl, out var address)
            ? address
            : throw new ConsulException(
                $"The environment variable CONSUL_HTTP_ADDR is not the address of a Consul agent; allowed: {ConsulAddress.Allowed}.");
    }

    private static bool IsFalse(string text) => text is "0" || text.Equals("false", StringComparison.OrdinalIgnoreCase);
}
