using Mesh.Discovery.Rules;
using static Mesh.Discovery.Tests.Rules.Reading.Reader;

namespace Mesh.Discovery.Tests.Istio;

public sealed class VirtualServiceTests
{
    [Fact]
    public void Read_TheTalksRules_AreRead()
    {
        var batch = Yaml("""
            apiVersion: networking.istio.io/v1alpha3
            kind: VirtualService
            metadata: { name: reviews-route }
            spec:
              hosts: [ reviews.prod.svc.cluster.local ]
              http:
              - match: [ { headers: { end-user: { exact: jason } } } ]
                route: [ { destination: { host: reviews.prod.svc.cluster.local, subset: v2 } } ]
              - route:
                - { destination: { host: reviews.prod.svc.cluster.local, subset: v2 }, weight: 25 }
                - { destination: { host: reviews.prod.svc.cluster.local, subset: v1 }, weight: 75 }
            ---
            apiVersion: networking.istio.io/v1alpha3
            kind: DestinationRule
            metadata: { name: bookinfo-ratings }
            spec:
              host: ratings.prod.svc.cluster.local
              trafficPolicy: { loadBalancer: { simple: LEAST_CONN } }
            """);

        Assert.Empty(batch.Issues);
        var routes = Assert.IsType<VirtualServiceConfig>(batch.Rules[0]);
        Assert.Equal("reviews-route", routes.Name);
        Assert.Equal("default", routes.Namespace);
        Assert.Equal(["reviews.prod.svc.cluster.local"], routes.Hosts);
        Assert.Equal(
            new NamedMatchConfig("end-user", new StringMatchConfig(
                StringMatchKind.Exact, "jason", new SourceLocation(
                    Origin, "spec.http[0].match[0].headers.end-user.exact", 7, "VirtualService default/reviews-route"))),
            Assert.Single(Assert.Single(routes.Http[0].Match).Headers));
        Assert.Equal([25, 75], routes.Http[1].Route.Select(static arm => arm.Weight));
        Assert.Equal(["v2", "v1"], routes.Http[1].Route.Select(static arm => arm.Subset));
        var ratings = Assert.IsType<DestinationRuleConfig>(batch.Rules[1]);
        Assert.Equal("LEAST_REQUEST", ratings.TrafficPolicy.LoadBalancer!.Simple);
        Assert.Equal(13, ratings.Location.Line);
    }

    [Fact]
    public void Read_EveryMatchField_IsRead()
    {
        var rule = One<VirtualServiceConfig>(Route("""
            name: all
            match:
            - name: m
              uri: { prefix: /api/ }
              scheme: { exact: https }
              method: { regex: GET|HEAD }
              authority: { exact: reviews }
              headers:
                x-a: { exact: "1" }
                x-b: { prefix: "" }
                x-c: {}
                x-d:
                x-e: { regex: "*" }
              withoutHeaders: { x-f: { regex: "a+" } }
              queryParams: { q: { exact: "" } }
              port: 8080
              sourceLabels: { app: web }
              sourceNamespace: prod
              gateways: [ mesh ]
              ignoreUriCase: true
            route: [ { destination: { host: reviews } } ]
            """));

        var match = Assert.Single(Assert.Single(rule.Http).Match);
        Assert.Equal("m", match.Name);
        Assert.Equal((StringMatchKind.Prefix, "/api/"), (match.Uri!.Kind, match.Uri.Value));
        Assert.Equal((StringMatchKind.Exact, "https"), (match.Scheme!.Kind, match.Scheme.Value));
        Assert.Equal((StringMatchKind.Regex, "GET|HEAD"), (match.Method!.Kind, match.Method.Value));
        Assert.Equal((StringMatchKind.Exact, "reviews"), (match.Authority!.Kind, match.Authority.Value));
        Assert.Equal(
            [
                ("x-a", StringMatchKind.Exact, "1"), ("x-b", StringMatchKind.Prefix, ""), ("x-c", StringMatchKind.Present, ""),
                ("x-d", StringMatchKind.Present, ""), ("x-e", StringMatchKind.Present, ""),
            ],
            match.Headers.Select(static h => (h.Name, h.Match.Kind, h.Match.Value)));
        Assert.Equal("x-f", Assert.Single(match.WithoutHeaders).Name);
        Assert.Equal(StringMatchKind.Exact, Assert.Single(match.QueryParams).Match.Kind);
        Assert.Equal(8080, match.Port);
        Assert.Equal("web", match.SourceLabels["app"]);
        Assert.Equal("prod", match.SourceNamespace);
        Assert.True(match.IgnoreUriCase);
    }

    [Fact]
    public void Read_EveryRouteField_IsRead()
    {
        var rule = One<VirtualServiceConfig>(Route("""
            name: all
            route:
            - destination: { host: reviews, subset: v1, port: { number: 9080 } }
              weight: "75"
              headers: { response: { add: { x-arm: one } } }
            - destination: { host: reviews }
              weight: 25.0
            rewrite: { uri: /v1, authority: "reviews:9080" }
            timeout: 1m30s
            idleTimeout: 45s
            retries: { attempts: 0, perTryTimeout: 250ms, retryOn: "5xx, connect-failure,503" }
            headers:
              request: { set: { X-A: "1" }, add: { x-b: "2\t3" }, remove: [ x-c ] }
              response: { set: { x-d: "" } }
            """));

        var route = Assert.Single(rule.Http);
        Assert.Equal("all", route.Name);
        Assert.Equal(("reviews", "v1", 9080, 75), (route.Route[0].Host, route.Route[0].Subset, route.Route[0].Port, route.Route[0].Weight));
        Assert.Equal("x-arm", Assert.Single(route.Route[0].Headers!.Response.Add).Key);
        Assert.Equal(25, route.Route[1].Weight);
        Assert.Null(route.Route[1].Subset);
        Assert.Equal(("/v1", "reviews:9080"), (route.Rewrite!.Uri, route.Rewrite.Authority));
        Assert.Equal(TimeSpan.FromSeconds(90), route.Timeout);
        Assert.Equal(TimeSpan.FromSeconds(45), route.IdleTimeout);
        Assert.Equal((0, TimeSpan.FromMilliseconds(250), "5xx,connect-failure,503"), (
            route.Retries!.Attempts, route.Retries.PerTryTimeout!.Value, route.Retries.RetryOn));
        Assert.Equal(new KeyValuePair<string, string>("X-A", "1"), Assert.Single(route.Headers!.Request.Set));
        Assert.Equal("2\t3", Assert.Single(route.Headers.Request.Add).Value);
        Assert.Equal("x-c", Assert.Single(route.Headers.Request.Remove));
        Assert.Equal("", Assert.Single(route.Headers.Response.Set).Value);
        Assert.Equal(new SourceLocation(Origin, "spec.http[0]", 7, "VirtualService prod/r"), route.Location);
    }

    [Fact]
    public void Read_OtherActions_AreRead()
    {
        var rule = One<VirtualServiceConfig>("""
            apiVersion: networking.istio.io/v1beta1
            kind: VirtualService
            metadata: { name: r }
            spec:
              hosts: [ "*.example.com", reviews ]
              gateways: [ mesh ]
              http:
              - redirect: { uri: /new, authority: example.com, scheme: https, port: 8443, redirectCode: 308 }
              - redirect: { derivePort: FROM_REQUEST_PORT }
              - directResponse: { status: 503, body: { string: "öh\n" } }
              - directResponse: { status: 200, body: { bytes: "AAEC" } }
              - directResponse: { status: 204 }
              - delegate: { name: other, namespace: infra }
              - route: [ { destination: { host: reviews } } ]
                rewrite: { uriRegexRewrite: { match: "^/a/(.*)", rewrite: "/b/\\1" } }
            """);

        Assert.Equal(["*.example.com", "reviews"], rule.Hosts);
        var redirect = rule.Http[0].Redirect!;
        Assert.Equal(
            ("/new", "example.com", "https", 8443, 308),
            (redirect.Uri, redirect.Authority, redirect.Scheme, redirect.Port, redirect.Code));
        Assert.Equal(("FROM_REQUEST_PORT", 301), (rule.Http[1].Redirect!.DerivePort, rule.Http[1].Redirect!.Code));
        Assert.Equal(503, rule.Http[2].DirectResponse!.Status);
        Assert.Equal("öh\n"u8.ToArray(), rule.Http[2].DirectResponse!.Body);
        Assert.Equal([0, 1, 2], rule.Http[3].DirectResponse!.Body);
        Assert.Empty(rule.Http[4].DirectResponse!.Body);
        Assert.Equal(("other", "infra"), (rule.Http[5].Delegate!.Name, rule.Http[5].Delegate!.Namespace));
        Assert.Equal(("^/a/(.*)", "/b/\\1"), (rule.Http[6].Rewrite!.RegexMatch, rule.Http[6].Rewrite!.RegexRewrite));
    }

    [Fact]
    public void Read_RetriesWithoutAttempts_AreOffAsInIstioAndSaidSo()
    {
        var rule = One<VirtualServiceConfig>(
            Route("route: [ { destination: { host: reviews } } ]\nretries: { perTryTimeout: 2s }"), out var warnings);

        Assert.Equal(0, rule.Http[0].Retries!.Attempts);
        Assert.Contains("'attempts' is missing", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("corsPolicy: { allowMethods: [ GET ] }", "corsPolicy")]
    public void Read_FieldWithoutSupport_IsAWarningAndInStrictAnError(string field, string name)
    {
        var text = Route("route: [ { destination: { host: reviews } } ]\n" + field);

        One<VirtualServiceConfig>(text, out var warnings);
        Assert.Equal(
            $"{Origin}:8: VirtualService prod/r: spec.http[0].{name}: '{name}' is not supported and has no effect",
            Assert.Single(warnings).ToString());

        var strict = Yaml(text, strict: true);
        Assert.Empty(strict.Rules);
        Assert.Contains($"'{name}' is not supported", Assert.Single(strict.Issues).Message, StringComparison.Ordinal);
        Assert.Equal(IssueSeverity.Error, strict.Issues[0].Severity);
    }

    [Theory]
    [InlineData("retries: { attempts: 1, backoff: 1s }", "retries.backoff")]
    [InlineData("retries: { attempts: 1, retryRemoteLocalities: true }", "retries.retryRemoteLocalities")]
    [InlineData("retries: { attempts: 1, retryIgnorePreviousHosts: false }", "retries.retryIgnorePreviousHosts")]
    [InlineData("retries: { attempts: 1, retryOn: \"5xx,envoy-ratelimited\" }", "retries.retryOn")]
    [InlineData("match: [ { port: 80, statPrefix: x } ]", "match[0].statPrefix")]
    [InlineData("fault: { delay: { percent: 1, exponentialDelay: 1s } }", "fault.delay.exponentialDelay")]
    [InlineData("fault: { abort: { percentage: { value: 1 }, http2Error: INTERNAL_ERROR } }", "fault.abort.http2Error")]
    [InlineData("headers: { request: { set: { x: \"%REQ(x-id)%\" } } }", "headers.request.set.x")]
    [InlineData("headers: { request: { set: { x: \"a %DOWNSTREAM_REMOTE_ADDRESS% b\" } } }", "headers.request.set.x")]
    public void Read_NestedFieldWithoutSupport_IsAWarning(string field, string path)
    {
        One<VirtualServiceConfig>(Route("route: [ { destination: { host: reviews } } ]\n" + field), out var warnings);

        Assert.Equal("spec.http[0]." + path, Assert.Single(warnings).Location.Path);
        Assert.Contains("is not supported", warnings[0].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tls: [ { match: [ { sniHosts: [ a ] } ] } ]", "tls")]
    [InlineData("tcp: [ { route: [ { destination: { host: a } } ] } ]", "tcp")]
    [InlineData("exportTo: [ . ]", "exportTo")]
    public void Read_SpecFieldWithoutSupport_IsAWarning(string field, string path)
    {
        var text = Route("route: [ { destination: { host: reviews } } ]") + "\n  " + field;

        One<VirtualServiceConfig>(text, out var warnings);
        Assert.Equal(new SourceLocation(Origin, "spec." + path, 8, "VirtualService prod/r"), Assert.Single(warnings).Location);
    }

    [Fact]
    public void Read_DocumentForGatewaysOnly_IsReportedAndNotApplied()
    {
        var text = Route("route: [ { destination: { host: reviews } } ]") + "\n  gateways: [ bookinfo-gateway ]";

        var batch = Yaml(text);
        Assert.Empty(batch.Rules);
        Assert.Equal(
            $"{Origin}:8: VirtualService prod/r: spec.gateways: the gateway 'bookinfo-gateway' is not supported and "
            + "the document is skipped, because it is not for 'mesh'",
            Assert.Single(batch.Issues).ToString());
        Assert.Equal(IssueSeverity.Warning, batch.Issues[0].Severity);
        Assert.Single(Errors(text, strict: true));
    }

    [Fact]
    public void Read_DocumentForGatewayAndMesh_IsAppliedWithAWarning()
    {
        One<VirtualServiceConfig>(
            Route("route: [ { destination: { host: reviews } } ]") + "\n  gateways: [ gw, mesh ]", out var warnings);

        Assert.Contains("the gateway 'gw'", Assert.Single(warnings).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_ConditionsForGateways_NeverMakeTheRouteMatchEverything()
    {
        var rule = One<VirtualServiceConfig>("""
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: { name: r }
            spec:
              hosts: [ reviews ]
              http:
              - match: [ { gateways: [ gw ], uri: { prefix: /a } } ]
                route: [ { destination: { host: a } } ]
              - match: [ { gateways: [ gw ], uri: { prefix: /a } }, { uri: { prefix: /b } } ]
                route: [ { destination: { host: b } } ]
            """, out var warnings);

        var route = Assert.Single(rule.Http);
        Assert.Equal("/b", Assert.Single(route.Match).Uri!.Value);
        Assert.Equal(2, warnings.Count);
    }

    [Theory]
    [InlineData("route: [ { destination: { host: reviews }, weight: -1 } ]", "route[0].weight: '-1' is out of range; allowed: a whole number of at least 0")]
    [InlineData("route: [ { destination: { host: reviews }, weight: 1.5 } ]", "route[0].weight: '1.5' is not a whole number")]
    [InlineData("route: [ { destination: { host: reviews }, weight: many } ]", "route[0].weight: 'many' is not a whole number")]
    [InlineData("route: [ { destination: { host: reviews }, weight: 010 } ]", "route[0].weight: '010' is not a whole number")]
    [InlineData("route: [ { destination: { host: reviews }, weight: 99999999999 } ]", "route[0].weight: '99999999999' is out of range")]
    [InlineData("route: [ { destination: { host: reviews }, weight: [ 1 ] } ]", "route[0].weight: a list is not a whole number")]
    [InlineData("route: [ { destination: { host: reviews }, wieght: 1 } ]", "route[0].wieght: unknown key 'wieght'; did you mean 'weight'? (allowed: destination, weight, headers)")]
    [InlineData("route: [ { destination: { host: reviews }, Weight: 1 } ]", "route[0].Weight: unknown key 'Weight'; did you mean 'weight'?")]
    [InlineData("route: [ { destination: {} } ]", "route[0].destination: 'host' is missing")]
    [InlineData("route: [ { destination: { host: '' } } ]", "route[0].destination.host: '' is not a host")]
    [InlineData("route: [ { weight: 1 } ]", "route[0]: 'destination' is missing")]
    [InlineData("route: [ { host: reviews, destination: { host: a } } ]", "route[0].host: unknown key 'host'")]
    [InlineData("route: [ { destination: { host: 'a b' } } ]", "host: 'a b' is not a host; allowed: a name such as")]
    [InlineData("route: [ { destination: { host: '*.a' } } ]", "host: '*.a' may not hold a wildcard")]
    [InlineData("route: [ { destination: { host: reviews, port: 80 } } ]", "destination.port: '80' stands where keys and values are wanted")]
    [InlineData("route: [ { destination: { host: reviews, port: { number: 0 } } } ]", "port.number: '0' is out of range; allowed: a whole number from 1 to 65535")]
    [InlineData("route: [ { destination: { host: reviews, port: { number: 80, name: http } } } ]", "port.name: unknown key 'name'")]
    [InlineData("route: { destination: { host: reviews } }", "route: a map stands where a list is wanted")]
    [InlineData("route: [ text ]", "route[0]: 'text' stands where keys and values are wanted; allowed: a map")]
    [InlineData("timeout: 5", "timeout: '5' has no unit; write '5s' for seconds or '5ms' for milliseconds")]
    [InlineData("timeout: -1s", "timeout: '-1s' is negative")]
    [InlineData("timeout: soon", "timeout: 'soon' is not a duration; allowed: a duration such as '2s'")]
    [InlineData("timeout: {}", "timeout: a map is not a duration")]
    [InlineData("retries: { attempts: -1 }", "retries.attempts: '-1' is out of range")]
    [InlineData("retries: { attempts: 1, retryOn: '5xxx' }", "retries.retryOn: '5xxx' is no condition for a retry; did you mean '5xx'?")]
    [InlineData("retries: { attempts: 1, retryOn: '99' }", "retries.retryOn: '99' is no condition")]
    [InlineData("retries: { attempts: 1, perTryTimeot: 1s }", "retries.perTryTimeot: unknown key 'perTryTimeot'; did you mean 'perTryTimeout'?")]
    [InlineData("match: [ { uri: { exact: /a, prefix: /b } } ]", "match[0].uri: exactly one of exact, prefix, regex is wanted, and there are 2")]
    [InlineData("match: [ { uri: {} } ]", "match[0].uri: exactly one of exact, prefix, regex is wanted, and there are 0")]
    [InlineData("match: [ { uri: /a } ]", "match[0].uri: '/a' stands where a comparison is wanted; write { exact: /a }")]
    [InlineData("match: [ { headers: { end-user: jason } } ]", "headers.end-user: 'jason' stands where a comparison is wanted")]
    [InlineData("match: [ { headers: { end-user: { exact: 5 } } } ]", "end-user.exact: '5' is a number or truth value and not a text; allowed: a text, in quotes: \"5\"")]
    [InlineData("match: [ { headers: { end-user: { exact: true } } } ]", "end-user.exact: 'true' is a number or truth value")]
    [InlineData("match: [ { headers: { 'a b': {} } } ]", "headers['a b']: 'a b' is not a header name")]
    [InlineData("match: [ { headers: { ':method': {} } } ]", "':method' is a pseudo header")]
    [InlineData("match: [ { ignoreUriCase: maybe } ]", "ignoreUriCase: 'maybe' is not a truth value; allowed: true or false")]
    [InlineData("match: [ { port: 70000 } ]", "match[0].port: '70000' is out of range")]
    [InlineData("match: [ { header: {} } ]", "match[0].header: unknown key 'header'; did you mean 'headers'?")]
    [InlineData("headers: { request: { set: { 'x\\r': a } } }", "is not a header name")]
    [InlineData("headers: { request: { set: { x: \"a\\r\\nEvil: 1\" } } }", "set.x: 'a\\u000d\\u000aEvil: 1' is not a header value")]
    [InlineData("headers: { response: { add: { x: \"a\\0\" } } }", "add.x: 'a\\u0000' is not a header value")]
    [InlineData("headers: { response: { add: { x: ö } } }", "add.x: 'ö' is not a header value; allowed: visible ASCII")]
    [InlineData("headers: { request: { set: { X-A: a, x-a: b } } }", "the header 'x-a' is given twice")]
    [InlineData("headers: { request: { remove: [ 'a:b' ] } }", "remove[0]: 'a:b' is not a header name")]
    [InlineData("headers: { requst: {} }", "headers.requst: unknown key 'requst'; did you mean 'request'?")]
    [InlineData("redirect: { redirectCode: 300, uri: /a }", "redirectCode: '300' is not a redirect's status; allowed: 301, 302, 303, 307, 308")]
    [InlineData("redirect: {}", "redirect: changes nothing; wanted: uri, authority, scheme, port, derivePort")]
    [InlineData("redirect: { port: 80, derivePort: FROM_REQUEST_PORT }", "redirect: only one of port, derivePort is wanted")]
    [InlineData("redirect: { derivePort: REQUEST }", "derivePort: 'REQUEST' is not known")]
    [InlineData("redirect: { scheme: ftp }", "scheme: 'ftp' is not known")]
    [InlineData("redirect: { uri: \"/a\\r\\nSet-Cookie: x\" }", "redirect.uri: '/a\\u000d\\u000aSet-Cookie: x' holds a line break or control character")]
    [InlineData("redirect: { authority: a/b }", "redirect.authority: 'a/b' is not an authority")]
    [InlineData("rewrite: {}", "rewrite: changes nothing")]
    [InlineData("rewrite: { uri: /a, uriRegexRewrite: { match: a, rewrite: b } }", "rewrite: only one of uri, uriRegexRewrite is wanted")]
    [InlineData("rewrite: { uriRegexRewrite: { rewrite: b } }", "uriRegexRewrite: 'match' is missing")]
    [InlineData("rewrite: { authority: 'user@host' }", "rewrite.authority: 'user@host' is not an authority")]
    [InlineData("directResponse: {}", "directResponse: 'status' is missing")]
    [InlineData("directResponse: { status: 42 }", "status: '42' is out of range; allowed: a whole number from 200 to 599")]
    [InlineData("directResponse: { status: 200, body: { string: a, bytes: AAAA } }", "body: only one of string, bytes is wanted")]
    [InlineData("directResponse: { status: 200, body: { bytes: '%%' } }", "body.bytes: '%%' is not base64")]
    [InlineData("delegate: { namespace: a }", "delegate: 'name' is missing")]
    [InlineData("rout: []", "spec.http[0].rout: unknown key 'rout'; did you mean 'route'?")]
    [InlineData("websocketUpgrade: true", "spec.http[0].websocketUpgrade: unknown key 'websocketUpgrade' (allowed: match, name, redirect")]
    public void Read_BadField_SaysPlaceValueAndWhatIsAllowed(string route, string error)
    {
        var message = Error(Route(route));

        Assert.StartsWith($"{Origin}:7: VirtualService prod/r: spec.http[0]", message, StringComparison.Ordinal);
        Assert.Contains(error, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_SeveralErrors_AreAllReportedInOrder()
    {
        var errors = Errors(Route("""
            route:
            - { destination: { host: reviews }, weight: -1 }
            - { destination: { hots: reviews }, weight: x }
            timeout: 3
            """));

        Assert.Equal(
            [(10, "timeout"), (8, "route[0].weight"), (9, "route[1].destination"), (9, "route[1].destination.hots"), (9, "route[1].weight")],
            errors.Select(static e => (int.Parse(e.Split(':')[1], null), e.Split(": ")[2].Replace("spec.http[0].", "", StringComparison.Ordinal))));
    }

    [Fact]
    public void Read_ThousandsOfErrors_AreCounted()
    {
        var text = Route("route: []") + "\n" + string.Concat(Enumerable.Range(0, 5000).Select(static i => $"    k{i}: 1\n"));

        var errors = Errors(text);
        Assert.Equal(101, errors.Count);
        Assert.EndsWith("4900 more issues are not listed", errors[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hosts: reviews", "spec.hosts: 'reviews' stands where a list is wanted; allowed: a list; write one item as [ … ]")]
    [InlineData("hosts: [ 5 ]", "spec.hosts[0]: '5' is a number or truth value")]
    [InlineData("hosts: [ '' ]", "spec.hosts[0]: '' is not a host")]
    [InlineData("hosts: [ 'http://a' ]", "spec.hosts[0]: 'http://a' is not a host")]
    [InlineData("hosts: [ 'a.*' ]", "spec.hosts[0]: 'a.*' is not a host")]
    [InlineData("host: reviews", "spec.host: unknown key 'host'; did you mean 'hosts'? (allowed: hosts, gateways, http)")]
    [InlineData("http: { route: [] }", "spec.http: a map stands where a list is wanted")]
    public void Read_BadSpec_SaysPlaceAndReason(string field, string error)
    {
        var message = Error(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: r }\nspec: { " + field + " }");

        Assert.StartsWith($"{Origin}:4: VirtualService default/r: {error}", message, StringComparison.Ordinal);
    }
}
