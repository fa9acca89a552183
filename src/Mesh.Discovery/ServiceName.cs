using System.Diagnostics.CodeAnalysis;

namespace Mesh.Discovery;

/// <summary>
/// The logical name of a service: a short name in a namespace (<c>reviews</c> in <c>prod</c>), or a host outside the
/// mesh's own name space (<c>api.example.com</c>).
/// </summary>
/// <remarks>
/// Names compare without regard to case and are kept in lower case. The long form follows Kubernetes and Istio:
/// <c>reviews.prod.svc.cluster.local</c>. Immutable and safe for concurrent use.
/// </remarks>
public readonly record struct ServiceName
{
    /// <summary>The suffix of a fully qualified service host.</summary>
    public const string DomainSuffix = ".svc.cluster.local";

    private readonly string? _name;
    private readonly string? _namespace;
    private readonly string? _host;

    /// <summary>Names a service of the mesh.</summary>
    /// <param name="name">The short name, for example <c>reviews</c>.</param>
    /// <param name="namespace">The namespace, for example <c>prod</c>.</param>
    /// <exception cref="ArgumentException">A part is empty or holds a dot.</exception>
    public ServiceName(string name, string @namespace)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentException.ThrowIfNullOrEmpty(@namespace);
        if (name.Contains('.') || @namespace.Contains('.'))
        {
            throw new ArgumentException($"'{name}' in '{@namespace}': neither part of a service name may hold a dot.");
        }

        _name = name.ToLowerInvariant();
        _namespace = @namespace.ToLowerInvariant();
        _host = $"{_name}.{_namespace}{DomainSuffix}";
    }

    private ServiceName(string externalHost) => _name = _host = externalHost.ToLowerInvariant();

    /// <summary>The short name, or the whole host when <see cref="IsExternal"/>.</summary>
    public string Name => _name ?? "";

    /// <summary>The namespace; empty when <see cref="IsExternal"/>.</summary>
    public string Namespace => _namespace ?? "";

    /// <summary>The fully qualified host, in lower case: the key under which rules and catalogs find the service.</summary>
    public string Host => _host ?? "";

    /// <summary>Whether this is a host outside the mesh's own name space, such as <c>api.example.com</c>.</summary>
    public bool IsExternal => _namespace is null;

    /// <summary>Names a host outside the mesh's own name space, as a ServiceEntry declares it.</summary>
    /// <param name="host">A DNS name, or a wildcard such as <c>*.example.com</c>; a dot at its end is left out.</param>
    public static ServiceName External(string host)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        return new ServiceName(WithoutRootDot(host));
    }

    /// <summary>A host that is declared as written: short forms are not completed, the full form names the service.</summary>
    internal static ServiceName Literal(string host) =>
        host.Contains(DomainSuffix, StringComparison.OrdinalIgnoreCase) ? Resolve(host, "default") : External(host);

    /// <summary>
    /// Reads a host as Istio reads it in a rule: a name without a dot belongs to the rule's namespace;
    /// <c>name.namespace</c>, <c>name.namespace.svc</c> and the full form name a service; anything else is external.
    /// </summary>
    /// <param name="host">The host as written.</param>
    /// <param name="ruleNamespace">The namespace of the rule or of the caller.</param>
    /// <returns>The name. Wildcards are external names as written.</returns>
    public static ServiceName Resolve(string host, string ruleNamespace)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        if (TryParse(host, ruleNamespace, out var name))
        {
            return name;
        }

        return External(host);
    }

    private static bool TryParse(string host, string ruleNamespace, [NotNullWhen(true)] out ServiceName name)
    {
        name = default;
        if (host.Contains('*') || host.Contains(':') || char.IsAsciiDigit(host[^1]) && System.Net.IPAddress.TryParse(host, out _))
        {
            return false;
        }

        var parts = WithoutRootDot(host).Split('.');
        var isService = parts.Length switch
        {
            1 or 2 => true,
            3 => Is(parts[2], "svc"),
            5 => Is(parts[2], "svc") && Is(parts[3], "cluster") && Is(parts[4], "local"),
            _ => false,
        };
        if (!isService || Array.Exists(parts, static part => part.Length == 0))
        {
            return false;
        }

        name = new ServiceName(parts[0], parts.Length == 1 ? ruleNamespace : parts[1]);
        return true;

        static bool Is(string part, string word) => part.Equals(word, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary><c>example.com.</c> and <c>example.com</c> are the same host.</summary>
    private static string WithoutRootDot(string host) => host.Length > 1 && host.EndsWith('.') ? host[..^1] : host;

    /// <summary><c>reviews.prod</c>, or the host of an external name.</summary>
    public override string ToString() => IsExternal ? Name : $"{_name}.{_namespace}";
}
