using System.Globalization;
using System.Text;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads one route (Istio: HTTPRoute).</summary>
internal static class RouteReader
{
    private static readonly string[] s_retryOn =
    [
        "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "refused-stream", "retriable-4xx",
        "retriable-status-codes", "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
    ];

    /// <summary>Envoy's further words.</summary>
    private static readonly string[] s_otherRetryOn =
        ["envoy-ratelimited", "retriable-headers", "http3-post-connect-failure"];

    /// <param name="route">The route.</param>
    /// <param name="defaultHost">The host of destinations that name none; <see langword="null"/> if each must.</param>
    /// <returns>The route, or <see langword="null"/> if all of its conditions are only for gateways.</returns>
    public static RouteConfig? Read(ObjectReader route, string? defaultHost)
    {
        var conditions = 0;
        var match = new List<RouteMatchConfig>();
        foreach (var condition in route.Objects("match"))
        {
            conditions++;
            if (MatchReader.Read(condition) is { } read)
            {
                match.Add(read);
            }
        }

        var arms = new List<RouteDestinationConfig>();
        var result = new RouteConfig
        {
            Location = route.Location,
            Name = route.Text("name"),
            Match = match,
            Route = arms,
            Redirect = Redirect(route.Object("redirect")),
            DirectResponse = DirectResponse(route.Object("directResponse")),
            Delegate = Delegate(route.Object("delegate")),
            Rewrite = Rewrite(route.Object("rewrite")),
            Timeout = route.Duration("timeout"),
            IdleTimeout = route.Duration("idleTimeout"),
            Retries = Retries(route.Object("retries")),
            Hedging = HedgingReader.Read(route.ObjectOrEmpty("hedging")),
            ResiliencePipeline = CircuitBreakerReader.Pipeline(route),
            Headers = HeadersReader.Read(route.Object("headers")),
            Fault = FaultReader.Read(route.Object("fault")),
            Mirrors = MirrorReader.Read(route, defaultHost),
        };
        foreach (var arm in route.Objects("route"))
        {
            if (Arm(arm, defaultHost) is { } read)
            {
                arms.Add(read);
            }
        }

        route.NotSupported("corsPolicy");
        route.Done();

        // Without its conditions for gateways the route would match everything.
        return conditions > 0 && match.Count == 0 ? null : result;
    }

    private static RouteDestinationConfig? Arm(ObjectReader arm, string? defaultHost)
    {
        var flat = arm.Reading.Dialect == RuleDialect.Configuration;
        var destination = flat ? arm.Object("destination") : arm.Require("destination")?.Object();
        var host = flat ? arm.Find("host")?.Host() : null;
        var subset = flat ? arm.Text("subset") : null;
        var port = flat ? Port(arm) : null;
        if (destination is not null)
        {
            host = (defaultHost is null ? destination.Require("host") : destination.Find("host"))?.Host() ?? host;
            subset = destination.Text("subset") ?? subset;
            port = Port(destination) ?? port;
            destination.Done();
        }

        var result = new RouteDestinationConfig
        {
            Location = arm.Location,
            Host = host ?? defaultHost ?? "",
            Subset = subset,
            Port = port,
            Weight = arm.Int("weight"),
            Headers = HeadersReader.Read(arm.Object("headers")),
        };
        arm.Done();
        return result.Host.Length == 0 ? null : result;
    }

    /// <summary>Istio's <c>port: { number: 80 }</c>; in configuration also the number alone.</summary>
    public static int? Port(ObjectReader destination)
    {
        if (destination.Find("port") is not { } port)
        {
            return null;
        }

        if (port.Node is ScalarNode && destination.Reading.Dialect == RuleDialect.Configuration)
        {
            return port.Int(1, 65535);
        }

        if (port.Object() is not { } selector)
        {
            return null;
        }

        var number = selector.Require("number")?.Int(1, 65535);
        selector.Done();
        return number;
    }

    private static RedirectConfig? Redirect(ObjectReader? redirect)
    {
        if (redirect is null)
        {
            return null;
        }

        var result = new RedirectConfig
        {
            Location = redirect.Location,
            Uri = redirect.Text("uri"),
            Authority = Authority(redirect),
            Scheme = redirect.Find("scheme")?.OneOf(("http", false), ("https", true)) switch
            {
                true => "https",
                false => "http",
                null => null,
            },
            Port = redirect.Port("port"),
            DerivePort = redirect.Find("derivePort")?.OneOf(
                ("FROM_PROTOCOL_DEFAULT", false), ("FROM_REQUEST_PORT", true)) switch
            {
                true => "FROM_REQUEST_PORT",
                false => "FROM_PROTOCOL_DEFAULT",
                null => null,
            },
            Code = RedirectCode(redirect.Find("redirectCode")) ?? 301,
        };
        redirect.NotSupported("prefixRewrite");
        redirect.Done();
        redirect.AtLeastOne("uri", "authority", "scheme", "port", "derivePort");
        redirect.AtMostOne("port", "derivePort");
        return result;
    }

    private static int? RedirectCode(RuleValue? value)
    {
        var code = value?.Int();
        if (code is null or 301 or 302 or 303 or 307 or 308)
        {
            return code;
        }

        value!.Value.Refuse("is not a redirect's status", "301, 302, 303, 307, 308");
        return null;
    }

    private static DirectResponseConfig? DirectResponse(ObjectReader? response)
    {
        if (response is null)
        {
            return null;
        }

        var status = response.Require("status")?.Int(200, 599);
        var body = Body(response.Object("body"));
        response.Done();
        return status is { } code ? new DirectResponseConfig(code, body) : null;
    }

    private static byte[] Body(ObjectReader? body)
    {
        if (body is null)
        {
            return [];
        }

        var text = body.Find("string");
        var bytes = body.Find("bytes");
        body.Done();
        body.AtMostOne("string", "bytes");
        if (bytes is not { } encoded)
        {
            return Encoding.UTF8.GetBytes(text?.Text() ?? "");
        }

        var base64 = encoded.Text() ?? "";
        var decoded = new byte[base64.Length];
        if (Convert.TryFromBase64String(base64, decoded, out var length))
        {
            return decoded[..length];
        }

        encoded.Refuse("is not base64", "base64 of the body's bytes");
        return [];
    }

    private static DelegateConfig? Delegate(ObjectReader? target)
    {
        if (target is null)
        {
            return null;
        }

        var name = target.RequireText("name");
        var @namespace = target.Text("namespace");
        target.Done();
        return name is null ? null : new DelegateConfig(name, @namespace, target.Location);
    }

    private static RewriteConfig? Rewrite(ObjectReader? rewrite)
    {
        if (rewrite is null)
        {
            return null;
        }

        var regex = rewrite.Object("uriRegexRewrite");
        var result = new RewriteConfig
        {
            Location = rewrite.Location,
            Uri = rewrite.Text("uri"),
            Authority = Authority(rewrite),
            RegexMatch = regex?.RequireText("match"),
            RegexRewrite = regex?.Require("rewrite")?.Line(),
        };
        regex?.Done();
        rewrite.Done();
        rewrite.AtLeastOne("uri", "authority", "uriRegexRewrite");
        rewrite.AtMostOne("uri", "uriRegexRewrite");
        return result;
    }

    /// <summary>Host and optional port, as they stand in a URI.</summary>
    private static string? Authority(ObjectReader owner)
    {
        if (owner.Text("authority") is not { } authority)
        {
            return null;
        }

        if (Uri.TryCreate($"http://{authority}/", UriKind.Absolute, out var uri)
            && uri.UserInfo.Length == 0 && uri.PathAndQuery == "/" && uri.Fragment.Length == 0
            && !authority.AsSpan().ContainsAny("/?#@\\ "))
        {
            return authority;
        }

        owner.Find("authority")!.Value.Refuse("is not an authority", "a host, or host:port");
        return null;
    }

    private static RetryConfig? Retries(ObjectReader? retries)
    {
        if (retries is null)
        {
            return null;
        }

        var attempts = retries.Int("attempts");
        if (attempts is null && retries.Node.Find("attempts") is null && retries.Reading.Dialect == RuleDialect.Istio)
        {
            retries.Reading.Warn(
                retries.Location, "'attempts' is missing, which Istio reads as 0: the route has no retries");
            attempts = 0;
        }

        var defaults = new RetryConfig { Location = retries.Location };
        var result = defaults with
        {
            Attempts = attempts ?? defaults.Attempts,
            PerTryTimeout = retries.Duration("perTryTimeout"),
            RetryOn = RetryOn(retries),
        };
        retries.NotSupported("backoff", "retryRemoteLocalities", "retryIgnorePreviousHosts");
        retries.Done();
        return result;
    }

    private static string? RetryOn(ObjectReader retries)
    {
        if (retries.Text("retryOn") is not { } text)
        {
            return null;
        }

        var value = retries.Find("retryOn")!.Value;
        var words = new List<string>();
        foreach (var word in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var isCode = int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var code);
            if (isCode ? code is >= 100 and <= 599 : s_retryOn.Contains(word, StringComparer.Ordinal))
            {
                words.Add(word);
                continue;
            }

            if (s_otherRetryOn.Contains(word, StringComparer.Ordinal))
            {
                value.Reading.NotSupported(value.Location, $"'{word}'");
                continue;
            }

            value.RefuseWord(word, "is no condition for a retry", [.. s_retryOn, "a status code from 100 to 599"]);
        }

        return string.Join(',', words);
    }
}
