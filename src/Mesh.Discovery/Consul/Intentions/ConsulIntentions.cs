using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Rules;
using System.Text.Json;

namespace Mesh.Discovery.Consul.Intentions;

/// <summary>The rules of all intentions, one document for each destination. What has not changed stays the same object.</summary>
/// <remarks>Not safe for concurrent use.</remarks>
internal sealed class ConsulIntentions(string @namespace)
{
    private const int MaxPermissions = 1000;

    private Dictionary<string, Known> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Takes all intentions as they are now.</summary>
    public RuleBatch Update(IReadOnlyList<ConsulIntention?> intentions)
    {
        var issues = new List<RuleIssue>();
        var rules = new List<RuleConfig>();
        var known = new Dictionary<string, Known>(StringComparer.OrdinalIgnoreCase);
        foreach (var group in intentions.OfType<ConsulIntention>().Where(IsRelevant)
            .GroupBy(static intention => intention.DestinationName!, StringComparer.OrdinalIgnoreCase)
            .OrderBy(static group => group.Key, StringComparer.Ordinal))
        {
            // Consul's precedence: who names the source goes before who names all. It sends them in that order, too.
            IReadOnlyList<ConsulIntention?> sources = [.. group
                .OrderBy(static intention => intention.SourceName == "*")
                .ThenBy(static intention => intention.SourceName, StringComparer.Ordinal)];
            var content = JsonSerializer.SerializeToUtf8Bytes(sources, ConsulChainJson.Default.IReadOnlyListConsulIntention);
            if (!_known.TryGetValue(group.Key, out var one) || !one.Content.AsSpan().SequenceEqual(content))
            {
                one = Read(group.Key, sources, content, one?.Rule);
            }

            known[group.Key] = one;
            issues.AddRange(one.Issues);
            if (one.Rule is not null)
            {
                rules.Add(one.Rule);
            }
        }

        _known = known;
        return new RuleBatch(rules, issues);
    }

    /// <summary>Those of other kinds of callers, and of Consul's namespaces, partitions and peers, are not about us.</summary>
    private static bool IsRelevant(ConsulIntention intention) =>
        !string.IsNullOrEmpty(intention.DestinationName) && !string.IsNullOrEmpty(intention.SourceName)
        && intention.SourceType is null or "" or "consul"
        && string.IsNullOrEmpty(intention.SourcePeer) && string.IsNullOrEmpty(intention.SourceSamenessGroup)
        && IsDefault(intention.SourceNamespace) && IsDefault(intention.DestinationNamespace)
        && IsDefault(intention.SourcePartition) && IsDefault(intention.DestinationPartition);

    private static bool IsDefault(string? scope) => scope is null or "" or "default" or "*";

    private Known Read(string destination, IReadOnlyList<ConsulIntention?> intentions, byte[] content, ServiceIntentionsConfig? before)
    {
        var location = new SourceLocation($"consul intentions/{destination}", "", 0, $"ServiceIntentions {destination}");
        var issues = new List<RuleIssue>();
        try
        {
            var host = destination == "*" ? "*" : ConsulName.Service(destination, @namespace, "DestinationName").Host;
            var rule = new ServiceIntentionsConfig
            {
                Name = "consul:" + destination,
                Namespace = @namespace,
                Location = location,
                Host = host,
                Sources = [.. intentions.Select(intention => ReadSource(intention!, location, issues))],
            };
            return new Known(content, rule, issues);
        }
        catch (ConsulRuleException e)
        {
            issues.Add(new RuleIssue(IssueSeverity.Error, location with { Path = e.Path }, e.Message));
            return new Known(content, before, issues);
        }
    }

    /// <summary>
    /// An intention that is not understood is left to the callee as a whole: it still goes before weaker ones, and denies
    /// nothing to a caller. A callee that does not understand it denies everything that it is about.
    /// </summary>
    private static IntentionSourceConfig ReadSource(ConsulIntention intention, SourceLocation destination, List<RuleIssue> issues)
    {
        var location = destination with { Path = $"Sources[{intention.SourceName}]" };
        try
        {
            var permissions = intention.Permissions ?? [];
            if (permissions.Count > MaxPermissions)
            {
                throw new ConsulRuleException(location.Path, $"it has {permissions.Count} permissions; at most {MaxPermissions} are supported");
            }

            return new IntentionSourceConfig
            {
                Location = location,
                Name = intention.SourceName!,
                Allow = permissions.Count > 0 || IsAllow(intention.Action, location.Path),
                Permissions = [.. permissions.Select((permission, i) => ReadPermission(
                    permission, location with { Path = $"{location.Path}.Permissions[{i}]" }))],
            };
        }
        catch (ConsulRuleException e)
        {
            issues.Add(new RuleIssue(
                IssueSeverity.Warning, location with { Path = e.Path }, $"{e.Message}; the intention is left to the callee"));
            return new IntentionSourceConfig { Location = location, Name = intention.SourceName!, Allow = true, IsNotUnderstood = true };
        }
    }

    private static IntentionPermissionConfig ReadPermission(ConsulPermission? permission, SourceLocation location)
    {
        if (permission is null)
        {
            throw new ConsulRuleException(location.Path, "it is null");
        }

        ConsulMatchReader.CheckOthers(permission.Others, location.Path, "Action, HTTP");
        return new IntentionPermissionConfig
        {
            Allow = IsAllow(permission.Action, location.Path),
            Match = ConsulMatchReader.Read(permission.Http, location with { Path = location.Path + ".HTTP" }),
        };
    }

    private static bool IsAllow(string? action, string path) => action switch
    {
        "allow" => true,
        "deny" => false,
        _ => throw new ConsulRuleException(path + ".Action", $"the action '{action}' is not supported; supported are allow and deny"),
    };

    private sealed record Known(byte[] Content, ServiceIntentionsConfig? Rule, IReadOnlyList<RuleIssue> Issues);
}
