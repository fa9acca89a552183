using Mesh.Discovery.Rules.Reading;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Configuration;

/// <summary>Reads <c>Mesh:Security</c>.</summary>
internal static class SecurityOptionsReader
{
    private static readonly TimeSpan s_shortestPoll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_shortestLifetime = TimeSpan.FromSeconds(2);

    public static void Read(ObjectReader? security, SecurityOptions options)
    {
        if (security is null)
        {
            return;
        }

        options.Mode = security.Find("mode") is { } mode ? PeerAuthenticationReader.Mode(mode) ?? options.Mode : options.Mode;
        foreach (var (key, value) in security.Entries("ports"))
        {
            if (!int.TryParse(key, out var port) || port is < 1 or > 65535)
            {
                value.Error($"{RuleText.Quote(key)} is not a port; allowed: 1 to 65535");
            }
            else if (PeerAuthenticationReader.Mode(value) is { } portMode)
            {
                options.Ports[port] = portMode;
            }
        }

        options.TrustDomain = TrustDomain(security.Find("trustDomain")) ?? options.TrustDomain;
        ReplaceBy(options.TrustDomainAliases, security, "trustDomainAliases", static item => TrustDomain(item));
        options.ServiceAccount = Token(security, "serviceAccount") ?? options.ServiceAccount;
        options.RootNamespace = Token(security, "rootNamespace") ?? options.RootNamespace;
        options.AutoMtls = security.Bool("autoMtls") ?? options.AutoMtls;
        options.PathNormalization = security.Find("pathNormalization")?.OneOf(
            ("NONE", PathNormalization.None), ("BASE", PathNormalization.Base), ("MERGE_SLASHES", PathNormalization.MergeSlashes),
            ("DECODE_AND_MERGE_SLASHES", PathNormalization.DecodeAndMergeSlashes)) ?? options.PathNormalization;
        ReplaceBy(options.Gateways, security, "gateways", PrincipalReader.Read);
        Read(security.Object("certificates"), options.Certificates);
        security.Done();
        if (!options.IsOn && (options.Mode ?? MtlsMode.Disable) != MtlsMode.Disable)
        {
            security.Error(
                $"{security.Reading.Show("mode")} needs certificates: set {security.Reading.Show("certificates")}:{security.Reading.Show("source")} to Development, Files or Consul");
        }
    }

    private static void Read(ObjectReader? certificates, CertificateOptions options)
    {
        if (certificates is null)
        {
            return;
        }

        options.Source = certificates.Text("source") ?? options.Source;
        if (certificates.Object("development") is { } development)
        {
            options.Development.Path = development.Text("path") ?? options.Development.Path;
            options.Development.Lifetime = development.Duration("lifetime", s_shortestLifetime) ?? options.Development.Lifetime;
            development.Done();
        }

        if (certificates.Object("files") is { } files)
        {
            options.Files.Certificate = files.Text("certificate") ?? options.Files.Certificate;
            options.Files.Key = files.Text("key") ?? options.Files.Key;
            options.Files.Roots = files.Text("roots") ?? options.Files.Roots;
            foreach (var (domain, value) in files.Entries("otherRoots"))
            {
                if (!SpiffeId.IsTrustDomain(domain.ToLowerInvariant()))
                {
                    value.Error($"{RuleText.Quote(domain)} is not a trust domain; allowed are letters, digits, '.', '-' and '_'");
                }
                else if (value.Line() is { Length: > 0 } path)
                {
                    options.Files.OtherRoots[domain] = path;
                }
            }

            options.Files.PollInterval = files.Duration("pollInterval", s_shortestPoll) ?? options.Files.PollInterval;
            files.Done();
        }

        certificates.Done();
    }

    private static void ReplaceBy(IList<string> list, ObjectReader reader, string key, Func<RuleValue, string?> read)
    {
        if (reader.Find(key) is { } value)
        {
            list.Clear();
            foreach (var item in value.Items())
            {
                if (read(item) is { } text)
                {
                    list.Add(text);
                }
            }
        }
    }

    private static string? TrustDomain(RuleValue? value)
    {
        if (value?.Line() is not { } text)
        {
            return null;
        }

        var domain = text.ToLowerInvariant();
        if (!SpiffeId.IsTrustDomain(domain))
        {
            value.Value.Refuse("is not a trust domain", "letters, digits, '.', '-' and '_', such as 'cluster.local'");
            return null;
        }

        return domain;
    }

    /// <summary>What becomes a segment of an identity's path.</summary>
    private static string? Token(ObjectReader reader, string key)
    {
        if (reader.Text(key) is not { } text)
        {
            return null;
        }

        if (!SpiffeId.TryParse($"spiffe://x/{text}", out var id) || id.Path.LastIndexOf('/') > 0)
        {
            reader.Find(key)!.Value.Refuse("cannot be part of an identity", "letters, digits, '.', '-' and '_'");
            return null;
        }

        return text;
    }
}
