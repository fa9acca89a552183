using Mesh.Discovery.Rules;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Istio;

/// <summary>
/// Reads <c>networking.istio.io</c>'s VirtualService, DestinationRule and ServiceEntry, and <c>security.istio.io</c>'s
/// PeerAuthentication, AuthorizationPolicy and RequestAuthentication.
/// </summary>
internal static class IstioDocumentReader
{
    private static readonly ApiGroup[] s_groups =
    [
        new("networking.istio.io", ["v1", "v1beta1", "v1alpha3"], ["VirtualService", "DestinationRule", "ServiceEntry"],
            ["Gateway", "Sidecar", "WorkloadEntry", "WorkloadGroup", "EnvoyFilter", "ProxyConfig"]),
        new("security.istio.io", ["v1", "v1beta1"], ["PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication"], []),
    ];

    /// <summary>Reads a document; a Kubernetes <c>List</c>, as <c>kubectl get</c> prints it, holds several.</summary>
    /// <param name="document">The document.</param>
    /// <param name="namespace">The namespace of documents that do not name theirs.</param>
    /// <param name="strict">Whether what is not supported is an error.</param>
    public static IReadOnlyList<RuleDocument> Read(YamlDocument document, string @namespace, bool strict)
    {
        var reading = new RuleReading(RuleDialect.Istio, @namespace, strict);
        var root = new RuleValue(reading, document.Root, "");
        if (root.Node is MapNode map && IsList(map))
        {
            return ReadList(document, root, @namespace, strict);
        }

        return [Read(root, document.Issues)];
    }

    private static bool IsList(MapNode map) =>
        TextOf(map, "kind") == "List" && TextOf(map, "apiVersion") == "v1";

    private static string? TextOf(MapNode? map, string key) => (map?.Find(key)?.Value as ScalarNode)?.Text;

    private static List<RuleDocument> ReadList(YamlDocument document, RuleValue root, string @namespace, bool strict)
    {
        var result = new List<RuleDocument>();
        var list = root.Object()!;
        list.Ignore("apiVersion", "kind", "metadata");
        foreach (var item in list.Items("items"))
        {
            result.Add(Read(item with { Reading = new RuleReading(RuleDialect.Istio, @namespace, strict) }, []));
        }

        list.Done();
        if (document.Issues.Count > 0 || root.Reading.Issues.Count > 0)
        {
            result.Add(new RuleDocument(null, [.. document.Issues, .. root.Reading.Issues]));
        }

        return result;
    }

    private static RuleDocument Read(RuleValue root, IReadOnlyList<RuleIssue> before)
    {
        var reading = root.Reading;
        var rule = root.Object() is { } map ? ReadRoot(map) : null;
        var hasErrors = reading.HasErrors || before.Any(static issue => issue.Severity == IssueSeverity.Error);
        var named = before.Select(
            issue => issue with { Location = issue.Location with { Document = reading.Document } });
        return new RuleDocument(hasErrors ? null : rule, [.. named, .. reading.Issues]);
    }

    private static RuleConfig? ReadRoot(ObjectReader root)
    {
        var reading = root.Reading;
        var apiVersion = root.RequireText("apiVersion") ?? "";
        var kind = root.RequireText("kind") ?? "";
        var metadata = root.Object("metadata");
        var name = TextOf(metadata?.Node, "name") ?? "";
        var @namespace = TextOf(metadata?.Node, "namespace") is { Length: > 0 } own ? own : reading.Namespace;
        if (kind.Length > 0 && name.Length > 0)
        {
            reading.Document = $"{RuleText.Cut(kind, 300)} {RuleText.Cut(@namespace, 300)}/{RuleText.Cut(name, 300)}";
        }

        if (apiVersion.Length == 0 || kind.Length == 0 || !IsOurs(root, apiVersion, kind))
        {
            return null;
        }

        ReadMetadata(root, metadata);
        var spec = root.Require("spec")?.Object();
        root.Ignore("status");
        root.Done();
        return spec is null ? null : ReadSpec(spec, kind, new Metadata(name, @namespace, root.Location, metadata));
    }

    private static bool IsOurs(ObjectReader root, string apiVersion, string kind)
    {
        var reading = root.Reading;
        var slash = apiVersion.LastIndexOf('/');
        var name = slash < 0 ? apiVersion : apiVersion[..slash];
        if (slash < 0 || Array.Find(s_groups, group => group.Name == name) is not { } group)
        {
            var nearest = RuleText.Nearest(name, [.. s_groups.Select(static known => known.Name)]);
            if (nearest is not null)
            {
                root.Find("apiVersion")!.Value.RefuseWord(
                    apiVersion, "is not known", Array.Find(s_groups, known => known.Name == nearest)!.ApiVersions);
                return false;
            }

            reading.NotSupported(
                root.Location, $"the document {RuleText.Quote(kind)} of {RuleText.Quote(apiVersion)}", "is skipped");
            return false;
        }

        if (group.OtherKinds.Contains(kind))
        {
            reading.NotSupported(root.Location, $"the document {RuleText.Quote(kind)}", "is skipped");
            return false;
        }

        var known = group.Kinds.Contains(kind);
        if (!known)
        {
            root.Find("kind")!.Value.RefuseWord(kind, $"is no kind of {group.Name}", group.Kinds);
        }

        var version = group.ApiVersions.Contains(apiVersion);
        if (!version)
        {
            root.Find("apiVersion")!.Value.RefuseWord(apiVersion, "is not known", group.ApiVersions);
        }

        return known && version;
    }

    private static void ReadMetadata(ObjectReader root, ObjectReader? metadata)
    {
        if (metadata is null)
        {
            if (root.Node.Find("metadata") is not { Value: not ScalarNode { Text: null } })
            {
                root.Require("metadata");
            }

            return;
        }

        metadata.RequireText("name");
        if (metadata.Text("namespace") is { } @namespace && @namespace.Contains('.'))
        {
            metadata.Find("namespace")!.Value.Refuse("holds a dot", "a namespace such as 'prod'");
        }

        metadata.Ignore(
            "labels", "annotations", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp",
            "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "ownerReferences", "finalizers",
            "selfLink", "clusterName");
        metadata.Done();
    }

    private static RuleConfig? ReadSpec(ObjectReader spec, string kind, Metadata metadata)
    {
        var (name, @namespace, location, node) = metadata;
        switch (kind)
        {
            case "VirtualService":
                return ReadVirtualService(
                    spec, new VirtualServiceConfig { Name = name, Namespace = @namespace, Location = location });
            case "DestinationRule":
                var host = spec.Require("host")?.Host(wildcard: true);
                var rule = new DestinationRuleConfig
                {
                    Name = name,
                    Namespace = @namespace,
                    Location = location,
                    Host = host ?? "",
                    TrafficPolicy = DestinationReader.Policy(spec),
                    Subsets = DestinationReader.Subsets(spec),
                };
                spec.NotSupported("exportTo", "workloadSelector");
                spec.Done();
                return rule;
            case "PeerAuthentication":
                return PeerAuthenticationReader.Read(
                    spec, new PeerAuthenticationConfig { Name = name, Namespace = @namespace, Location = location });
            case "AuthorizationPolicy":
                return AuthorizationReader.Read(
                    spec,
                    new AuthorizationPolicyConfig
                    {
                        Name = name, Namespace = @namespace, Location = location, DryRun = AuthorizationReader.IsDryRun(node),
                    });
            case "RequestAuthentication":
                return RequestAuthenticationReader.Read(
                    spec, new RequestAuthenticationConfig { Name = name, Namespace = @namespace, Location = location });
            default:
                return ServiceEntryReader.Read(
                    spec, new ServiceEntryConfig { Name = name, Namespace = @namespace, Location = location });
        }
    }

    private static VirtualServiceConfig? ReadVirtualService(ObjectReader spec, VirtualServiceConfig identity)
    {
        var hosts = new List<string>();
        foreach (var item in spec.Items("hosts"))
        {
            if (item.Host(wildcard: true) is { } host)
            {
                hosts.Add(host);
            }
        }

        var applies = MatchReader.AppliesToMesh(spec, "the document");
        var http = new List<RouteConfig>();
        foreach (var route in spec.Objects("http"))
        {
            if (RouteReader.Read(route, defaultHost: null) is { } read)
            {
                http.Add(read);
            }
        }

        spec.NotSupported("tls", "tcp", "exportTo");
        spec.Done();
        return applies ? identity with { Hosts = hosts, Http = http } : null;
    }

    /// <summary>What a document says of itself.</summary>
    private sealed record Metadata(string Name, string Namespace, SourceLocation Location, ObjectReader? Node);

    /// <param name="Name">The group.</param>
    /// <param name="Versions">Its versions, which mean the same to us.</param>
    /// <param name="Kinds">The kinds that are read.</param>
    /// <param name="OtherKinds">Kinds that are Istio's but not ours.</param>
    private sealed record ApiGroup(string Name, string[] Versions, string[] Kinds, string[] OtherKinds)
    {
        public string[] ApiVersions { get; } = [.. Versions.Select(version => $"{Name}/{version}")];
    }
}
