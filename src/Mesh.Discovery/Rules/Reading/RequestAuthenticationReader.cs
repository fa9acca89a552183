using Mesh.Discovery.Security;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads whose tokens prove who a request is made for (Istio: RequestAuthentication).</summary>
internal static class RequestAuthenticationReader
{
    /// <summary>The key of the section <c>Mesh</c>.</summary>
    public const string Section = "requestAuthentication";

    /// <summary>What says where a request goes and where it ends; a claim has no business there.</summary>
    private static readonly string[] s_ownHeaders =
    [
        "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Upgrade", "TE", "Trailer", "Keep-Alive", "Cookie", "Authorization",
    ];

    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(1);

    /// <summary>Reads one of <c>Mesh:RequestAuthentication</c>.</summary>
    public static RuleDocument Read(RuleValue value, bool strict)
    {
        var reading = new RuleReading(RuleDialect.Configuration, value.Reading.Namespace, strict, value.Path);
        value = value with { Reading = reading };
        RequestAuthenticationConfig? rule = null;
        if (value.Object() is { } spec)
        {
            var name = spec.RequireText("name") ?? "";

            // Its place in the list changes when others are added.
            reading.Document = name.Length > 0 ? $"RequestAuthentication {reading.Namespace}/{RuleText.Cut(name, 300)}" : reading.Document;
            rule = Read(spec, new RequestAuthenticationConfig { Name = name, Namespace = reading.Namespace, Location = value.Location });
        }

        return new RuleDocument(reading.HasErrors ? null : rule, reading.Issues);
    }

    public static RequestAuthenticationConfig Read(ObjectReader spec, RequestAuthenticationConfig identity)
    {
        var selector = SelectorReader.Read(spec, targets: true);
        var rules = new List<JwtRuleConfig>();
        foreach (var rule in spec.Objects("jwtRules"))
        {
            rules.Add(ReadRule(rule));
        }

        spec.Done();
        return identity with { Selector = selector, JwtRules = rules };
    }

    private static JwtRuleConfig ReadRule(ObjectReader rule)
    {
        rule.AtMostOne("jwks", "jwksUri");
        var issuer = rule.RequireText("issuer") ?? "";
        var keys = rule.Find("jwks") is { } inline ? Keys(inline) : null;
        var uri = rule.Find("jwksUri") is { } address ? HttpUri(address) : null;
        if (issuer.Length > 0 && rule.CountOf("jwks", "jwksUri") == 0 && HttpUri(issuer) is null)
        {
            rule.Find("issuer")!.Value.Refuse(
                $"is no URL at which its keys could be looked up, and there is neither {rule.Reading.Show("jwks")} nor {rule.Reading.Show("jwksUri")}",
                "an http or https URL, or keys");
        }

        var result = new JwtRuleConfig
        {
            Issuer = issuer,
            Audiences = rule.Texts("audiences"),
            Keys = keys,
            KeysUri = uri,
            FromHeaders = Headers(rule),
            FromParams = rule.Texts("fromParams"),
            FromCookies = Cookies(rule),
            OutputPayloadToHeader = rule.Find("outputPayloadToHeader") is { } header ? OutputHeader(header) : null,
            OutputClaimToHeaders = Claims(rule),
            ForwardOriginalToken = rule.Bool("forwardOriginalToken") ?? false,
            Timeout = rule.Find("timeout")?.Duration(s_shortest, s_longest) ?? JwtRuleConfig.DefaultTimeout,
        };
        var outputs = result.OutputClaimToHeaders.Select(static output => output.Header).Append(result.OutputPayloadToHeader).OfType<string>();
        foreach (var twice in outputs.GroupBy(static name => name, StringComparer.OrdinalIgnoreCase).Where(static group => group.Count() > 1))
        {
            rule.Error($"the header {RuleText.Quote(twice.Key)} is given twice; header names do not differ by case");
        }

        rule.NotSupported("spaceDelimitedClaims");
        rule.Done();
        return result;
    }

    /// <summary>Says what is wrong without a word of what is there: it may be what nobody else should know.</summary>
    private static PublicKeySet? Keys(RuleValue value)
    {
        if (value.Node is not ScalarNode { Text: { } json })
        {
            value.Error($"{(value.Node is MapNode ? "a map" : "a list")} stands where a JWK set is wanted; allowed: a text that is JSON: '{{ \"keys\": [ … ] }}'");
            return null;
        }

        var (set, problem) = PublicKeySet.Parse(json);
        if (set is null)
        {
            value.Error($"the JWK set {problem}");
        }

        return set;
    }

    private static Uri? HttpUri(RuleValue value)
    {
        if (value.Line() is not { } text)
        {
            return null;
        }

        if (HttpUri(text) is { } uri)
        {
            return uri;
        }

        const string Allowed = "an http or https URL without user and password";
        if (text.Contains('@'))
        {
            value.Error($"the URL may hold a password; allowed: {Allowed}");
        }
        else
        {
            value.Refuse("is not a URL of keys", Allowed);
        }

        return null;
    }

    private static Uri? HttpUri(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
            && uri.UserInfo.Length == 0
            ? uri
            : null;

    private static List<TokenHeader> Headers(ObjectReader rule)
    {
        var result = new List<TokenHeader>();
        foreach (var item in rule.Objects("fromHeaders"))
        {
            var name = item.RequireText("name");
            if (name is not null && HeadersReader.IsName(item.Find("name")!.Value, name))
            {
                result.Add(new TokenHeader(name, item.Text("prefix") ?? ""));
            }

            item.Find("prefix");
            item.Done();
        }

        return result;
    }

    private static List<string> Cookies(ObjectReader rule)
    {
        var result = new List<string>();
        foreach (var item in rule.Items("fromCookies"))
        {
            if (item.Text() is not { } name)
            {
                continue;
            }

            if (HostText.IsToken(name))
            {
                result.Add(name);
            }
            else
            {
                item.Refuse("is not a name of a cookie", "letters, digits and !#$%&'*+-.^_`|~");
            }
        }

        return result;
    }

    private static List<ClaimHeader> Claims(ObjectReader rule)
    {
        var result = new List<ClaimHeader>();
        foreach (var item in rule.Objects("outputClaimToHeaders"))
        {
            var header = item.Require("header") is { } name ? OutputHeader(name) : null;
            var claim = item.RequireText("claim");
            item.Done();
            if (header is not null && claim is not null)
            {
                result.Add(new ClaimHeader(header, claim));
            }
        }

        return result;
    }

    private static string? OutputHeader(RuleValue value)
    {
        if (value.Text() is not { } name || !HeadersReader.IsName(value, name))
        {
            return null;
        }

        if (s_ownHeaders.Contains(name, StringComparer.OrdinalIgnoreCase))
        {
            value.Refuse("is a header that has a meaning of its own", "a header that only says something of the token");
            return null;
        }

        return name;
    }
}
