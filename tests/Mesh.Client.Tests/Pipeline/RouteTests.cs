using System.Net;
using Mesh.Discovery;
using Mesh.Discovery.Catalogs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.Client.Tests.Pipeline;

public sealed class RouteTests
{
    private const string Versions =
        """
        "Services": { "reviews": { "Endpoints": [
          { "Address": "http://10.0.0.1:8080", "Labels": { "version": "v1" } },
          { "Address": "http://10.0.0.2:8080", "Labels": { "version": "v2" } } ] } },
        "Destinations": { "reviews": { "Subsets": {
          "v1": { "Labels": { "version": "v1" } }, "v2": { "Labels": { "version": "v2" } }, "v3": { "Labels": { "version": "v3" } } } } }
        """;

    [Fact]
    public async Task Send_SplitAndHeaderMatch_FollowTheConfiguration()
    {
        await using var mesh = await TestMesh.StartAsync(Versions +
            """
            , "Routes": { "reviews": [
              { "Match": [ { "Headers": { "end-user": { "Exact": "jason" } } } ], "Route": [ { "Subset": "v2" } ] },
              { "Route": [ { "Subset": "v1", "Weight": 75 }, { "Subset": "v2", "Weight": 25 } ] } ] }
            """);

        await AssertSplit(mesh);
    }

    [Fact]
    public async Task Send_SplitAndHeaderMatch_FollowIstioDocuments()
    {
        var folder = Directory.CreateTempSubdirectory("mesh");
        try
        {
            await File.WriteAllTextAsync(
                Path.Combine(folder.FullName, "reviews.yaml"),
                """
                apiVersion: networking.istio.io/v1
                kind: VirtualService
                metadata:
                  name: reviews
                spec:
                  hosts: [ reviews ]
                  http:
                  - match:
                    - headers:
                        end-user:
                          exact: jason
                    route:
                    - destination: { host: reviews, subset: v2 }
                  - route:
                    - destination: { host: reviews, subset: v1 }
                      weight: 75
                    - destination: { host: reviews, subset: v2 }
                      weight: 25
                """,
                TestContext.Current.CancellationToken);
            await using var mesh = await TestMesh.StartAsync(
                Versions + $$""" , "Config": { "Files": [ "{{folder.FullName.Replace('\\', '/')}}/*.yaml" ] } """);

            await AssertSplit(mesh);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Send_Rewrite_LeavesTheCallersRequestAlone()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """
            "Routes": { "reviews": [ { "Match": [ { "Uri": { "Prefix": "/api/" } } ], "Route": [ { "Headers": { "Request": { "Set": { "x-arm": "1" } } } } ],
              "Rewrite": { "Uri": "/v1/", "Authority": "inner.example.com" },
              "Headers": { "Request": { "Set": { "x-mesh": "1" }, "Remove": [ "x-secret" ], "Add": { "x-list": "b" } } } } ] }
            """));
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/api/books?q=1");
        request.Headers.Add("x-secret", "s");
        request.Headers.Add("x-list", "a");

        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);

        var sent = mesh.Endpoints.Attempts.Single();
        Assert.Equal("/v1/books?q=1", sent.Uri.PathAndQuery);
        Assert.Equal("inner.example.com", sent.Request.Headers.Host);
        Assert.Equal("1", sent.Request.Headers.GetValues("x-mesh").Single());
        Assert.Equal("1", sent.Request.Headers.GetValues("x-arm").Single());
        Assert.Equal(["a", "b"], sent.Request.Headers.GetValues("x-list"));
        Assert.False(sent.Request.Headers.Contains("x-secret"));
        Assert.Same(request, response.RequestMessage);
        Assert.Equal("http://reviews/api/books?q=1", request.RequestUri!.ToString());
        Assert.Equal(["x-list", "x-secret"], request.Headers.Select(static h => h.Key).Order());
    }

    [Fact]
    public async Task Send_ResponseHeaders_AreChangedByRouteAndDestination()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """
            "Routes": { "reviews": [ { "Route": [ { "Headers": { "Response": { "Add": { "x-canary": "yes" } } } } ],
              "Headers": { "Response": { "Set": { "x-route": "r", "content-language": "de" }, "Remove": [ "server" ] } } } ] }
            """));
        mesh.Endpoints.Script(static () =>
        {
            var response = ScriptedEndpoints.Ok();
            response.Headers.Add("server", "secret");
            return response;
        });

        using var response = await mesh.Get();

        Assert.Equal("yes", response.Headers.GetValues("x-canary").Single());
        Assert.Equal("r", response.Headers.GetValues("x-route").Single());
        Assert.Equal("de", response.Content.Headers.ContentLanguage.Single());
        Assert.False(response.Headers.Contains("server"));
    }

    [Theory]
    [InlineData(""" "Uri": "/new" """, "http://reviews:9080/new?q=1")]
    [InlineData(""" "Uri": "/new?r=2" """, "http://reviews:9080/new?r=2")]
    [InlineData(""" "Authority": "other.example.com" """, "http://other.example.com/old?q=1")]
    [InlineData(""" "Authority": "other.example.com:81" """, "http://other.example.com:81/old?q=1")]
    [InlineData(""" "Port": 8443, "Scheme": "https" """, "https://reviews:8443/old?q=1")]
    [InlineData(""" "Scheme": "https", "Authority": "other.example.com" """, "https://other.example.com/old?q=1")]
    [InlineData(""" "DerivePort": "FROM_REQUEST_PORT", "Authority": "other" """, "http://other:9080/old?q=1")]
    [InlineData(""" "DerivePort": "FROM_PROTOCOL_DEFAULT" """, "http://reviews/old?q=1")]
    [InlineData(""" "Scheme": "https", "Port": 443 """, "https://reviews/old?q=1")]
    public async Task Send_Redirect_TellsTheNewPlace(string redirect, string expected)
    {
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews($$""" "Routes": { "reviews": [ { "Redirect": { {{redirect}}, "RedirectCode": 307 } } ] } """),
            static builder => builder.Services.AddHttpClient("").ConfigurePrimaryHttpMessageHandler(
                static () => new SocketsHttpHandler { AllowAutoRedirect = false }));

        using var response = await mesh.Get("http://reviews:9080/old?q=1");

        Assert.Equal(HttpStatusCode.TemporaryRedirect, response.StatusCode);
        Assert.Equal(expected, response.Headers.Location!.ToString());
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_RedirectToAMeshedService_IsFollowedThroughTheMesh()
    {
        await using var mesh = await TestMesh.StartAsync(
            """
            "Services": { "reviews": { "Endpoints": [ { "Address": "http://10.0.0.1:80" } ] }, "ratings": { "Endpoints": [ { "Address": "http://10.0.0.9:80" } ] } },
            "Routes": { "reviews": [ { "Redirect": { "Authority": "ratings", "RedirectCode": 302 } } ] }
            """);

        using var response = await mesh.Finish(mesh.Http.PostAsync("http://reviews/a?b=c", new StringContent("x")));

        var sent = Assert.Single(mesh.Endpoints.Attempts);
        Assert.Equal("10.0.0.9", sent.Address);
        Assert.Equal("http://ratings/a?b=c", sent.Uri.ToString());
        Assert.Equal(HttpMethod.Get, sent.Request.Method);
        Assert.Null(sent.Request.Content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("http://ratings/a?b=c", response.RequestMessage!.RequestUri!.ToString());
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_RedirectsInACircle_EndsAtTheClientsOwnLimit()
    {
        await using var mesh = await TestMesh.StartAsync(
            null,
            static builder => builder.Services.AddHttpClient("").ConfigurePrimaryHttpMessageHandler(
                static () => new HttpClientHandler { MaxAutomaticRedirections = 3 }));
        mesh.Endpoints.Script(static () =>
        {
            var response = ScriptedEndpoints.Status(302);
            response.Headers.Location = new Uri("/again", UriKind.Relative);
            return response;
        });

        using var response = await mesh.Get();

        Assert.Equal(HttpStatusCode.Found, response.StatusCode);
        Assert.Equal(4, mesh.Endpoints.Attempts.Count);
        Assert.Equal(0, mesh.InFlight);
    }

    [Fact]
    public async Task Send_RedirectFollowed_KeepsTheBodyWith307AndDropsAuthorization()
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Answer = static async (n, attempt) =>
        {
            if (n > 0)
            {
                return ScriptedEndpoints.Ok(await attempt.Request.Content!.ReadAsStringAsync());
            }

            var response = ScriptedEndpoints.Status(307);
            response.Headers.Location = new Uri("http://reviews/next");
            return response;
        };
        var request = new HttpRequestMessage(HttpMethod.Post, "http://reviews/") { Content = new StringContent("kept") };
        request.Headers.Add("Authorization", "Bearer secret");

        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal("kept", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Null(mesh.Endpoints.Attempts.Last().Request.Headers.Authorization);
    }

    [Fact]
    public async Task Send_DirectResponse_IsARealResponse()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """
            "Routes": { "reviews": [ { "DirectResponse": { "Status": 403, "Body": { "String": "read only" } },
              "Headers": { "Response": { "Set": { "x-by": "mesh" } } } } ] }
            """));

        using var response = await mesh.Get();

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.Equal("read only", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("mesh", response.Headers.GetValues("x-by").Single());
        Assert.Equal("http://reviews/", response.RequestMessage!.RequestUri!.ToString());
        Assert.Empty(mesh.Endpoints.Attempts);
    }

    [Fact]
    public async Task Send_NoRouteMatches_Throws()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Routes": { "reviews": [ { "Match": [ { "Uri": { "Exact": "/a" } } ], "Route": [ { } ] } ] } """));

        var error = await Assert.ThrowsAsync<NoRouteException>(() => mesh.Get("http://reviews/b"));

        Assert.Equal("reviews.default", error.Service);
        Assert.StartsWith("GET http://reviews/b: none of the 1 routes of reviews.default", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_NoEndpointFits_ThrowsAfterTheWaitAndThenAtOnce()
    {
        await using var mesh = await TestMesh.StartAsync(
            Versions + """ , "Routes": { "reviews": [ { "Route": [ { "Subset": "v3" } ] } ] }, "Outbound": { "FirstViewTimeout": "2s" } """);
        var start = mesh.Time.GetUtcNow();

        var error = await Assert.ThrowsAsync<NoHealthyEndpointException>(() => mesh.Get());

        Assert.InRange((mesh.Time.GetUtcNow() - start).TotalSeconds, 2, 4.9);
        Assert.Equal("reviews.default/v3", error.Destination);
        Assert.Contains("the service has 2, none of which fits", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NoHealthyEndpointException>(
            () => mesh.Http.GetAsync("http://reviews/", TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("Allow")]
    [InlineData("Refuse")]
    public async Task Send_UnknownHost_GoesToTheClientsOwnHandlerIfAllowed(string unknown)
    {
        var own = new OwnHandler();
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews($$""" "Outbound": { "UnknownHosts": "{{unknown}}" } """), builder => own.Use(builder));

        if (unknown == "Allow")
        {
            using var response = await mesh.Get("http://api.example.com/x");
            Assert.Equal("http://api.example.com/x", own.Seen.Single());
        }
        else
        {
            var error = await Assert.ThrowsAsync<UnknownHostException>(() => mesh.Get("http://api.example.com/x"));
            Assert.Equal("api.example.com", error.Host);
            Assert.Empty(own.Seen);
        }
    }

    [Fact]
    public async Task Send_UnknownHostHangs_EndsAtTheLimitForUnknownHosts()
    {
        var own = new OwnHandler { Hangs = true };
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(""" "Outbound": { "UnknownHostTimeout": "20s" } """), own.Use);

        var error = await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get("http://api.example.com/x"));

        Assert.Contains("no response from api.example.com within 20 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Send_PassThrough_GoesToTheClientsOwnHandlerWithWhatTheRouteChanges()
    {
        var own = new OwnHandler();
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(
                """
                "Destinations": { "reviews": { "LoadBalancer": { "Simple": "PASSTHROUGH" } } },
                "Routes": { "reviews": [ { "Route": [ { } ], "Timeout": "1s", "Headers": { "Request": { "Set": { "x-mesh": "1" } }, "Response": { "Set": { "x-route": "r" } } } } ] }
                """),
            builder => own.Use(builder));
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/x");

        using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal("http://reviews/x", own.Seen.Single());
        Assert.Equal("1", own.Last!.Headers.GetValues("x-mesh").Single());
        Assert.Equal("r", response.Headers.GetValues("x-route").Single());
        Assert.Same(request, response.RequestMessage);
        Assert.Empty(mesh.Endpoints.Attempts);

        own.Hangs = true;
        await Assert.ThrowsAsync<DeadlineExceededException>(() => mesh.Get("http://reviews/x"));
    }

    [Fact]
    public async Task Send_ServiceEntryWithoutResolution_GoesToTheClientsOwnHandler()
    {
        var folder = Directory.CreateTempSubdirectory("mesh");
        try
        {
            await File.WriteAllTextAsync(
                Path.Combine(folder.FullName, "entry.yaml"),
                """
                apiVersion: networking.istio.io/v1
                kind: ServiceEntry
                metadata:
                  name: api
                spec:
                  hosts: [ api.example.com ]
                  ports:
                  - { number: 80, name: http, protocol: HTTP }
                  resolution: NONE
                """,
                TestContext.Current.CancellationToken);
            var own = new OwnHandler();
            await using var mesh = await TestMesh.StartAsync(
                $$""" "Outbound": { "UnknownHosts": "Refuse" }, "Config": { "Files": [ "{{folder.FullName.Replace('\\', '/')}}/*.yaml" ] } """,
                builder => own.Use(builder));

            using var response = await mesh.Get("http://api.example.com/x");

            Assert.Equal("http://api.example.com/x", own.Seen.Single());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Send_HashCookieWithoutCookie_SetsOneThatSticks()
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(
            """ "Destinations": { "reviews": { "LoadBalancer": { "ConsistentHash": { "HttpCookie": { "Name": "user", "Ttl": "60s" } } } } } """, 8));

        using var first = await mesh.Get();
        var cookie = first.Headers.GetValues("Set-Cookie").Single();
        Assert.Matches("^user=[0-9a-f]{16}; Max-Age=60; HttpOnly$", cookie);

        for (var i = 0; i < 5; i++)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");
            request.Headers.Add("Cookie", cookie.Split(';')[0]);
            using var next = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.False(next.Headers.Contains("Set-Cookie"));
        }

        Assert.Single(mesh.Endpoints.Attempts.Select(static a => a.Address).Distinct());
    }

    [Fact]
    public async Task Send_ServiceTellsPortsApart_TheDialledPortChooses()
    {
        var catalog = new ScriptedCatalog
        {
            First =
            [
                new Endpoint { Address = new Uri("http://10.0.0.1:8080"), ServicePort = 80 },
                new Endpoint { Address = new Uri("http://10.0.0.1:9090"), ServicePort = 90 },
            ],
        };
        await using var mesh = await TestMesh.StartAsync(
            """ "Discovery": { "Providers": [ "Scripted" ] } """, builder => builder.Services.AddSingleton<IEndpointCatalog>(catalog));

        using var eighty = await mesh.Get("http://reviews/");
        using var ninety = await mesh.Get("http://reviews:90/");

        Assert.Equal(["10.0.0.1:8080", "10.0.0.1:9090"], mesh.Endpoints.Attempts.Select(static a => a.Address));
    }

    private static async Task AssertSplit(TestMesh mesh)
    {
        for (var i = 0; i < 400; i++)
        {
            var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews/");
            if (i < 20)
            {
                request.Headers.Add("end-user", "jason");
            }

            using var response = await mesh.Http.SendAsync(request, TestContext.Current.CancellationToken);
        }

        var attempts = mesh.Endpoints.Attempts.Select(static a => a.Address).ToArray();
        Assert.All(attempts[..20], static address => Assert.Equal("10.0.0.2:8080", address));
        Assert.InRange(attempts[20..].Count(static a => a == "10.0.0.1:8080") / 380.0, 0.65, 0.85);
    }

    /// <summary>What stands for the client's own way to the network.</summary>
    private sealed class OwnHandler : HttpMessageHandler
    {
        public List<string> Seen { get; } = [];

        public HttpRequestMessage? Last { get; private set; }

        public bool Hangs { get; set; }

        public void Use(HostApplicationBuilder builder) =>
            builder.Services.AddHttpClient("").ConfigurePrimaryHttpMessageHandler(() => this);

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Last = request;
            Seen.Add(request.RequestUri!.ToString());
            if (Hangs)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }

            return new HttpResponseMessage { RequestMessage = request };
        }
    }
}
