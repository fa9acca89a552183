using System.Globalization;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>A policy, ready to be asked. Immutable.</summary>
internal sealed class CompiledPolicy
{
    private readonly CompiledRule[] _rules;

    private CompiledPolicy(string name, CompiledRule[] rules)
    {
        Name = name;
        _rules = rules;
    }

    /// <summary><c>namespace/name</c>.</summary>
    public string Name { get; }

    public static CompiledPolicy Create(AuthorizationPolicyConfig config, IReadOnlyList<string> aliases)
    {
        var name = $"{config.Namespace}/{config.Name}";
        var isDenying = config.Action != AuthorizationAction.Allow;
        var (action, verb) = config.Action switch
        {
            AuthorizationAction.Allow => ("ALLOW", "allows"),
            AuthorizationAction.Deny => ("DENY", "denies"),
            _ => ("AUDIT", "records"),
        };
        return new CompiledPolicy(name, [.. config.Rules.Select((rule, i) => new CompiledRule(
            Parts(rule.From),
            Parts(rule.To),
            Conditions(rule.When),
            new RuleHit(action, name, i, string.Create(CultureInfo.InvariantCulture, $"rule {i} of the {action} policy {name} {verb} it"))))]);

        Condition[][] Parts(IReadOnlyList<IReadOnlyList<AuthorizationMatchConfig>> parts) => [.. parts.Select(Conditions)];

        Condition[] Conditions(IReadOnlyList<AuthorizationMatchConfig> matches)
        {
            var conditions = new List<Condition>();
            foreach (var match in matches)
            {
                Condition.Create(match, config.Namespace, isDenying, aliases, conditions);
            }

            return [.. conditions];
        }
    }

    /// <summary>The first rule that matches.</summary>
    public RuleHit? Find(in RequestFacts request)
    {
        foreach (var rule in _rules)
        {
            if (AnyHolds(rule.From, in request) && AnyHolds(rule.To, in request) && AllHold(rule.When, in request))
            {
                return rule.Hit;
            }
        }

        return null;
    }

    private static bool AnyHolds(Condition[][] parts, in RequestFacts request)
    {
        foreach (var part in parts)
        {
            if (AllHold(part, in request))
            {
                return true;
            }
        }

        return parts.Length == 0;
    }

    private static bool AllHold(Condition[] conditions, in RequestFacts request)
    {
        foreach (var condition in conditions)
        {
            if (!condition.Holds(in request))
            {
                return false;
            }
        }

        return true;
    }

    private sealed record CompiledRule(Condition[][] From, Condition[][] To, Condition[] When, RuleHit Hit);
}
