using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Mesh.Discovery.Security;

/// <summary>
/// Who a workload is: <c>spiffe://trust-domain/path</c>, as it stands in the URI SAN of its certificate (the SPIFFE-ID standard).
/// Immutable, compared by value; safe for concurrent use.
/// </summary>
public sealed record SpiffeId
{
    private const string Scheme = "spiffe://";

    /// <summary>The standard's limit, in bytes.</summary>
    private const int MaxLength = 2048;
    private const int MaxTrustDomain = 255;

    private SpiffeId(string trustDomain, string path)
    {
        TrustDomain = trustDomain;
        Path = path;
        var parts = path.Split('/');
        if (parts is ["", "ns", var @namespace, "sa", var account])
        {
            (Namespace, ServiceAccount) = (@namespace, account);
        }
        else if (parts is ["", "ns", var consulNamespace, "dc", var datacenter, "svc", var service])
        {
            (Namespace, Datacenter, ConsulService) = (consulNamespace, datacenter, service);
        }
    }

    /// <summary>The trust domain, in lower case: <c>cluster.local</c>.</summary>
    public string TrustDomain { get; }

    /// <summary>The path, with its first slash: <c>/ns/prod/sa/reviews</c>.</summary>
    public string Path { get; }

    /// <summary>The namespace of the forms of Istio and Consul; <see langword="null"/> for others.</summary>
    public string? Namespace { get; }

    /// <summary>The service account, if the id is of Istio's form <c>/ns/…/sa/…</c>; else <see langword="null"/>.</summary>
    public string? ServiceAccount { get; }

    /// <summary>The datacenter, if the id is of Consul's form <c>/ns/…/dc/…/svc/…</c>; else <see langword="null"/>.</summary>
    public string? Datacenter { get; }

    /// <summary>The service, if the id is of Consul's form; else <see langword="null"/>.</summary>
    public string? ConsulService { get; }

    /// <summary>As Istio's <c>principals</c> name it: <c>cluster.local/ns/prod/sa/reviews</c>.</summary>
    public string Principal => TrustDomain + Path;

    /// <summary>The id of Istio's form.</summary>
    /// <param name="trustDomain">The trust domain.</param>
    /// <param name="namespace">The namespace.</param>
    /// <param name="serviceAccount">The service account.</param>
    /// <exception cref="FormatException">A part holds characters that the standard does not allow.</exception>
    public static SpiffeId Create(string trustDomain, string @namespace, string serviceAccount) =>
        Parse($"{Scheme}{trustDomain}/ns/{@namespace}/sa/{serviceAccount}");

    /// <summary>Reads an id.</summary>
    /// <param name="text">Such as <c>spiffe://cluster.local/ns/prod/sa/reviews</c>.</param>
    /// <exception cref="FormatException">The text is none.</exception>
    public static SpiffeId Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TryParse(text, out var id)
            ? id
            : throw new FormatException(
                $"'{Rules.Reading.RuleText.Cut(text)}' is not a SPIFFE ID: spiffe://trust-domain/path is wanted, the trust domain of a-z 0-9 . - _, the path of a-z A-Z 0-9 . - _ between slashes");
    }

    /// <summary>Reads an id, strictly by the standard: no query, fragment, port, user, percent-encoding, or empty or dot segments.</summary>
    /// <param name="text">The text.</param>
    /// <param name="id">The id, if the text is one.</param>
    /// <returns>Whether it is one.</returns>
    public static bool TryParse(string? text, [NotNullWhen(true)] out SpiffeId? id)
    {
        id = null;
        if (text is null || text.Length > MaxLength || !text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var slash = text.IndexOf('/', Scheme.Length);
        if (slash < 0)
        {
            return false;
        }

        // Some letters outside ASCII have lower-case forms inside it.
        var domain = Ascii.IsValid(text.AsSpan(Scheme.Length, slash - Scheme.Length)) ? text[Scheme.Length..slash].ToLowerInvariant() : "";
        var path = text[slash..];
        if (!IsTrustDomain(domain) || !IsPath(path))
        {
            return false;
        }

        id = new SpiffeId(domain, path);
        return true;
    }

    /// <summary>The whole id: <c>spiffe://cluster.local/ns/prod/sa/reviews</c>.</summary>
    public override string ToString() => Scheme + Principal;

    internal static bool IsTrustDomain(string text)
    {
        if (text.Length is 0 or > MaxTrustDomain)
        {
            return false;
        }

        foreach (var c in text)
        {
            if (!(char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '.' or '-' or '_'))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsPath(string path)
    {
        foreach (var segment in path[1..].Split('/'))
        {
            if (segment is "" or "." or "..")
            {
                return false;
            }

            foreach (var c in segment)
            {
                if (!(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
                {
                    return false;
                }
            }
        }

        return true;
    }
}
