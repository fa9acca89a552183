using System.Net;
using System.Text.Json;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Authorization;
using Mesh.Discovery.Tests.Rules.Reading;
using Microsoft.Extensions.Primitives;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>Writes policies and requests in few words.</summary>
internal static class Policies
{
    public static readonly Workload Ratings = new("ratings", "prod", Labels.Empty, "istio-system") { HasIdentity = true };

    /// <summary>A policy of the namespace <c>prod</c>.</summary>
    public static string Policy(string spec, string name = "p", string @namespace = "prod", string metadata = "") => $"""
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {"{"} name: {name}, namespace: {@namespace}{metadata} {"}"}
        spec:
          {spec.ReplaceLineEndings("\n  ")}
        """;

    /// <summary>What documents say of the workload; they must be without issues.</summary>
    public static Authorizer? Compile(Workload workload, params string[] documents)
    {
        var batch = Reader.Yaml(string.Join("\n---\n", documents), strict: true);
        Assert.Empty(batch.Issues);
        return Compile(workload, [.. batch.Rules]);
    }

    public static Authorizer? Compile(Workload workload, params RuleConfig[] rules)
    {
        var issues = new IssueList();
        var authorizer = Authorizer.Create([.. rules.Select(static rule => new PlacedRule(rule, 0))], workload, [], issues);
        Assert.Empty(issues.Issues);
        return authorizer;
    }

    public static Authorizer Compile(string spec) => Compile(Ratings, Policy(spec))!;

    /// <summary>Whether a policy with this one rule allows, or denies, the request.</summary>
    public static bool Matches(string action, string rule, RequestFacts request)
    {
        var decision = Compile($"action: {action}\nrules:\n- {rule.ReplaceLineEndings("\n  ")}").Decide(in request);
        return decision.IsAllowed == (action == "ALLOW");
    }

    public static RequestFacts Request(
        string path = "/", string method = "GET", string? peer = "cluster.local/ns/prod/sa/reviews", string host = "ratings",
        string? address = "10.1.2.3", int port = 9080, string? principal = null, string? claims = null,
        (string Name, string[] Values)[]? headers = null, string[]? overrides = null, string? serverName = null,
        string trustDomain = "cluster.local", string? application = null, PathNormalization mode = PathNormalization.Base) => new()
    {
        Method = method,
        MethodOverrides = overrides is null ? StringValues.Empty : new StringValues(overrides),
        Path = PathReadings.Create(path, application ?? Kestrel.PathOf(path), mode),
        Host = host,
        Peer = peer is null ? null : SpiffeId.Parse("spiffe://" + peer),
        TrustDomain = trustDomain,
        SourceAddress = address is null ? null : IPAddress.Parse(address),
        RemoteAddress = address is null ? null : IPAddress.Parse(address),
        DestinationAddress = IPAddress.Parse("10.9.9.9"),
        Port = port,
        Principal = principal,
        ServerName = serverName,
        Claims = claims is null ? null : JsonDocument.Parse(claims).RootElement,
        HeaderSource = (headers ?? []).ToDictionary(static h => h.Name, static h => new StringValues(h.Values), StringComparer.OrdinalIgnoreCase),
        HeaderLookup = static (source, name) => ((Dictionary<string, StringValues>)source).GetValueOrDefault(name),
    };
}
