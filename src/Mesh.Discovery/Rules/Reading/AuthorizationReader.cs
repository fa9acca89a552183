using System.Globalization;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads who may do what (Istio: AuthorizationPolicy).</summary>
internal static class AuthorizationReader
{
    private const string DryRunAnnotation = "istio.io/dry-run";

    private static readonly (string Key, AuthorizationAttribute Attribute)[] s_sourceFields =
    [
        ("principals", AuthorizationAttribute.Principal),
        ("requestPrincipals", AuthorizationAttribute.RequestPrincipal),
        ("namespaces", AuthorizationAttribute.Namespace),
        ("serviceAccounts", AuthorizationAttribute.ServiceAccount),
        ("ipBlocks", AuthorizationAttribute.SourceAddress),
        ("remoteIpBlocks", AuthorizationAttribute.RemoteAddress),
        ("trustDomains", AuthorizationAttribute.TrustDomain),
    ];

    private static readonly (string Key, AuthorizationAttribute Attribute)[] s_operationFields =
    [
        ("hosts", AuthorizationAttribute.Host),
        ("ports", AuthorizationAttribute.Port),
        ("methods", AuthorizationAttribute.Method),
        ("paths", AuthorizationAttribute.Path),
    ];

    /// <summary>Reads a policy of the section <c>Mesh</c>.</summary>
    public static RuleDocument ReadSection(RuleValue value, bool strict)
    {
        var reading = new RuleReading(RuleDialect.Configuration, value.Reading.Namespace, strict);
        value = value with { Reading = reading };
        if (value.Object() is not { } policy)
        {
            return new RuleDocument(null, reading.Issues);
        }

        // Known by its name, since its place in the list changes when others are added. Without one nobody knows which it was: then
        // everything of its origin is kept.
        var name = ((policy.Node.Find("name")?.Value as ScalarNode)?.Text) is { Length: > 0 } known ? known : null;
        if (name is not null)
        {
            reading.Document = $"AuthorizationPolicy {reading.Namespace}/{RuleText.Cut(name, 300)}";
        }

        policy.RequireText("name");
        var rule = Read(policy, new AuthorizationPolicyConfig
        {
            Name = name ?? "",
            Namespace = reading.Namespace,
            Location = policy.Location,
            DryRun = policy.Bool("dryRun") ?? false,
        });
        return new RuleDocument(reading.HasErrors ? null : rule, reading.Issues);
    }

    public static AuthorizationPolicyConfig Read(ObjectReader spec, AuthorizationPolicyConfig identity)
    {
        var selector = SelectorReader.Read(spec, targets: true);
        var action = ReadAction(spec);
        var rules = new List<AuthorizationRuleConfig>();
        foreach (var rule in spec.Objects("rules"))
        {
            rules.Add(ReadRule(rule));
        }

        if (rules.Count == 0 && action is AuthorizationAction.Deny or AuthorizationAction.Audit && !spec.Reading.HasErrors)
        {
            spec.Error($"has no {spec.Reading.Show("rules")} and so would never do anything; an empty rule matches every request");
        }

        spec.Done();
        return identity with { Selector = selector, Action = action ?? AuthorizationAction.Allow, Rules = rules };
    }

    /// <summary>Whether a document says that it is to be tried only.</summary>
    public static bool IsDryRun(ObjectReader? metadata)
    {
        if (metadata?.Find("annotations")?.Object() is not { } annotations || annotations.Find(DryRunAnnotation) is not { } value)
        {
            return false;
        }

        // An annotation is a text, also this one.
        return value.OneOf(("true", true), ("false", false)) ?? false;
    }

    private static AuthorizationAction? ReadAction(ObjectReader spec)
    {
        const int Custom = -1;
        var action = spec.Find("action")?.OneOf(
            ("ALLOW", (int)AuthorizationAction.Allow), ("DENY", (int)AuthorizationAction.Deny), ("AUDIT", (int)AuthorizationAction.Audit),
            ("CUSTOM", Custom));
        if (action == Custom)
        {
            // Never a mere warning: who is asked could have refused.
            spec.Find("action")!.Value.Refuse("is not supported, and without it more would be let in", "ALLOW, DENY, AUDIT");
            spec.Ignore("provider");
            return null;
        }

        if (spec.Reading.Dialect == RuleDialect.Istio && spec.Find("provider") is { } provider)
        {
            provider.Error("is for the action CUSTOM only, which is not supported");
        }

        return spec.Find("action") is null ? AuthorizationAction.Allow : (AuthorizationAction?)action;
    }

    private static AuthorizationRuleConfig ReadRule(ObjectReader rule)
    {
        var from = ReadParts(rule, "from", "source", s_sourceFields);
        var to = ReadParts(rule, "to", "operation", s_operationFields);
        var when = new List<AuthorizationMatchConfig>();
        foreach (var condition in rule.Objects("when"))
        {
            if (ReadCondition(condition) is { } read)
            {
                when.Add(read);
            }
        }

        rule.Done();
        return new AuthorizationRuleConfig { From = from, To = to, When = when };
    }

    private static List<IReadOnlyList<AuthorizationMatchConfig>> ReadParts(
        ObjectReader rule, string key, string inner, (string Key, AuthorizationAttribute Attribute)[] fields)
    {
        var result = new List<IReadOnlyList<AuthorizationMatchConfig>>();
        if (rule.Find(key) is not { } list)
        {
            return result;
        }

        // Nothing in it would mean everybody; whoever emptied it meant nobody.
        var items = list.Items();
        if (items.Count == 0 && list.IsEmpty)
        {
            list.Error($"is empty; without any condition leave {rule.Reading.Show(key)} out");
        }

        foreach (var item in items)
        {
            if (item.Object() is not { } part)
            {
                continue;
            }

            var matches = new List<AuthorizationMatchConfig>();
            var isBrief = rule.Reading.Dialect == RuleDialect.Configuration;
            var nested = isBrief ? part.Object(inner) : part.Require(inner)?.Object();
            if (nested is not null)
            {
                ReadFields(nested, fields, matches);
                nested.Done();
            }

            if (isBrief)
            {
                ReadFields(part, fields, matches);
            }

            part.Done();
            if (matches.Count == 0 && (isBrief || nested is not null))
            {
                part.Error($"has no condition; wanted: {part.Reading.Show([.. fields.Select(static field => field.Key)])}, or one with 'not' before it");
            }

            result.Add(matches);
        }

        return result;
    }

    private static void ReadFields(ObjectReader part, (string Key, AuthorizationAttribute Attribute)[] fields, List<AuthorizationMatchConfig> matches)
    {
        foreach (var (key, attribute) in fields)
        {
            if (ReadPair(part, key, $"not{char.ToUpperInvariant(key[0])}{key[1..]}", attribute, []) is { } match)
            {
                matches.Add(match);
            }
        }

        if (part.CountOf("serviceAccounts", "notServiceAccounts") > 0 && part.CountOf("principals", "notPrincipals", "namespaces", "notNamespaces") > 0)
        {
            part.Error($"{part.Reading.Show("serviceAccounts")} cannot stand beside principals or namespaces, as in Istio");
        }
    }

    private static AuthorizationMatchConfig? ReadCondition(ObjectReader condition)
    {
        var key = condition.Find("key");
        var text = condition.RequireText("key");
        AuthorizationMatchConfig? match = null;
        if (text is not null && ConditionKey.Parse(text) is { } attribute)
        {
            match = ReadPair(condition, "values", "notValues", attribute.Attribute, attribute.Name);
            if (match is null)
            {
                condition.AtLeastOne("values", "notValues");
            }
        }
        else
        {
            condition.Ignore("values", "notValues");
            if (text is not null)
            {
                key!.Value.RefuseWord(text, "is no key of a condition", ConditionKey.All);
            }
        }

        condition.Done();
        return match;
    }

    private static AuthorizationMatchConfig? ReadPair(
        ObjectReader part, string key, string notKey, AuthorizationAttribute attribute, IReadOnlyList<string> name)
    {
        var (values, notValues) = (ReadValues(part, key, attribute), ReadValues(part, notKey, attribute));
        return values is null && notValues is null ? null : new AuthorizationMatchConfig
        {
            Attribute = attribute,
            Location = part.Location,
            Name = name,
            Values = [.. (values ?? []).Select(static value => value.Text)],
            NotValues = [.. (notValues ?? []).Select(static value => value.Text)],
            Networks = [.. (values ?? []).Select(static value => value.Network).OfType<System.Net.IPNetwork>()],
            NotNetworks = [.. (notValues ?? []).Select(static value => value.Network).OfType<System.Net.IPNetwork>()],
        };
    }

    /// <returns>Null if the field is not there.</returns>
    private static List<(string Text, System.Net.IPNetwork? Network)>? ReadValues(ObjectReader part, string key, AuthorizationAttribute attribute)
    {
        if (part.Find(key) is not { } list)
        {
            return null;
        }

        var result = new List<(string, System.Net.IPNetwork?)>();
        var items = list.Items();
        if (items.Count == 0 && list.IsEmpty)
        {
            list.Error("is an empty list; leave it out, or name a value");
        }

        foreach (var item in items)
        {
            if (item.Line() is not { } text)
            {
                continue;
            }

            if (text.Length == 0)
            {
                item.Refuse("is empty", "a text");
                continue;
            }

            result.Add(ReadValue(item, text, attribute));
        }

        return result;
    }

    private static (string Text, System.Net.IPNetwork? Network) ReadValue(RuleValue item, string text, AuthorizationAttribute attribute)
    {
        switch (attribute)
        {
            case AuthorizationAttribute.SourceAddress or AuthorizationAttribute.RemoteAddress or AuthorizationAttribute.DestinationAddress:
                var network = AddressBlock.Parse(text);
                if (network is null)
                {
                    item.Refuse("is no address", "an IP address, or a block such as 10.0.0.0/8");
                }

                return (text, network);
            case AuthorizationAttribute.Port:
                if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
                {
                    item.Refuse("is not a port", "1 to 65535");
                }

                return (port.ToString(CultureInfo.InvariantCulture), null);
            case AuthorizationAttribute.ServiceAccount:
                if (text.Contains('*') || text.Split('/') is not ([{ Length: > 0 }] or [{ Length: > 0 }, { Length: > 0 }]))
                {
                    item.Refuse("is not a service account", "'account' or 'namespace/account', without '*'");
                }

                return (text, null);
            case AuthorizationAttribute.Principal:
                const string Scheme = "spiffe://";
                text = text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? text[Scheme.Length..] : text;
                break;
            case AuthorizationAttribute.Path when PathTemplate.IsTemplate(text):
                if (PathTemplate.Validate(text) is { } wrong)
                {
                    item.Error($"{RuleText.Quote(text)} {wrong}");
                }

                return (text, null);
            default:
                break;
        }

        if (text.Length > 1 && text.AsSpan(1, text.Length - 2).Contains('*') || text.Length > 1 && text[0] == '*' && text[^1] == '*')
        {
            item.Reading.Warn(item.Location, $"{RuleText.Quote(text)}: only one '*' stands for other text, at the start or at the end; the other is compared as it is");
        }

        return (text, null);
    }
}
