using System.Net;
using Mesh.Client.LoadBalancing;
using Mesh.Client.Pipeline;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Client.Tests.Misbehaviour;

/// <summary>
/// What becomes of a request whose first attempt meets a misbehaving endpoint, while there is another one that behaves: how the
/// failure is classified and counted, whether it is repeated, what the caller gets, and that nothing is left of it.
/// </summary>
public sealed class MisbehaviourTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Data
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var what in Cases.All)
            {
                foreach (var kind in Kinds)
                {
                    // Where it is a race how far the request comes, so it is whether the stream is used up.
                    if (kind != "POST of a stream" || what.Or.Length == 0)
                    {
                        data.Add(what.What, kind);
                    }
                }
            }

            return data;
        }
    }

    private static string[] Kinds => ["GET", "POST", "POST of a stream", "POST with a key", "POST, reset"];

    [Theory]
    [MemberData(nameof(Data))]
    public async Task Send_FirstAttemptMeetsMisbehaviour_IsClassifiedRepeatedIfSafeAndLeavesNothing(string what, string kind)
    {
        var wrong = Cases.All.Single(c => c.What == what);
        using var dead = wrong.Dead?.Invoke();
        await using var bad = new RawServer(wrong.Script, wrong.Scheme);
        await using var good = new RawServer(wrong.HttpMajor == 2 ? Frames.ServeAsync : static c => c.ServeAsync());
        await using (var mesh = await Mesh(wrong, kind, dead?.Address ?? bad.Address, good.Address))
        {
            var failed = await Outcome(wrong, kind, mesh, bad);

            // How it was classified.
            var found = Classify(wrong, mesh, failed);
            Assert.True(found == wrong.Class || (found is { } other && wrong.Or.Contains(other)), $"{found}: {failed}");

            // Whether there was another attempt.
            var isRepeated = found switch
            {
                AttemptFailure.Unsent or AttemptFailure.Refused => true,
                AttemptFailure.Reset or AttemptFailure.TimedOut => kind is not ("POST" or "POST of a stream"),
                _ => false,
            };
            Assert.Equal(isRepeated ? 1 : 0, good.Requests);

            // What the caller gets.
            if (isRepeated || found is null && wrong.HasBody)
            {
                Assert.Null(failed);
            }
            else
            {
                Assert.True(failed is HttpRequestException or IOException, $"{failed}");
            }

            // What outlier detection counts.
            var service = mesh.Runtime.Current.Services.Single();
            var record = service.Endpoints.Single(e => e.Id != new Uri(good.Address).Authority).Outlier!;
            Assert.Equal(found is null or AttemptFailure.Final ? 0 : 1, record.Silences);
            Assert.Equal(0, record.Errors);

            // That nothing is left.
            Assert.Equal(0, mesh.InFlight);
            Assert.All(service.Destinations, static destination =>
            {
                Assert.Equal(0, destination.Breaker?.InFlight ?? 0);
                Assert.Equal(0, destination.KnownRetries?.Active ?? 0);
            });
            Assert.Equal(0, mesh.Services.GetRequiredService<AttemptTimeouts>().UnderWay);
            if (wrong.HttpMajor == 1 && !wrong.HasBody)
            {
                await bad.ClosedByClients();
            }
        }

        await bad.ClosedByClients();
        await good.ClosedByClients();
    }

    /// <summary>By the log if there was another attempt, else by what the caller gets; null if the attempt had a response.</summary>
    private static AttemptFailure? Classify(Case wrong, TestMesh mesh, Exception? failed) =>
        mesh.Logs.GetSnapshot().SingleOrDefault(static log => log.Id.Id == 202) is { } retry
            ? Enum.Parse<AttemptFailure>(retry.GetStructuredStateValue("Failure")!)
            : failed is null || (wrong.Class is null && !wrong.HasBody) ? null
            : failed is DeadlineExceededException ? AttemptFailure.TimedOut
            : AttemptFailures.Classify(failed, hasExpired: false, CancellationToken.None);

    /// <summary>How the call fails; null if it does not.</summary>
    private static async Task<Exception?> Outcome(Case wrong, string kind, TestMesh mesh, RawServer bad)
    {
        using var request = new HttpRequestMessage(kind == "GET" ? HttpMethod.Get : HttpMethod.Post, "http://reviews/")
        {
            Version = wrong.HttpMajor == 2 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = kind switch
            {
                "GET" => null,
                "POST of a stream" => new StreamContent(new OneWayStream("body")),
                _ => new StringContent("body"),
            },
        };
        if (kind == "POST with a key")
        {
            request.Headers.Add("Idempotency-Key", "1");
        }

        try
        {
            var call = ReadAsync(mesh.Http, request, isStreamed: kind is "GET" or "POST");
            if (wrong is { IsSlow: true, Class: AttemptFailure.TimedOut })
            {
                await bad.Stuck.Task.WaitAsync(Cancel);
                mesh.Time.Advance(TimeSpan.FromSeconds(10) + AttemptTimeouts.Tick);
            }

            // In small steps where the next attempt has its limit, too.
            Assert.Equal("ok", await mesh.Finish(call, wrong.Class == AttemptFailure.TimedOut ? 1 : wrong.IsSlow ? 1000 : 25));
            return null;
        }
        catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
        {
            return e;
        }
    }

    private static async Task<string> ReadAsync(HttpClient client, HttpRequestMessage request, bool isStreamed)
    {
        using var response = await client.SendAsync(
            request, isStreamed ? HttpCompletionOption.ResponseHeadersRead : HttpCompletionOption.ResponseContentRead, Cancel);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancel));
        return await reader.ReadToEndAsync(Cancel);
    }

    /// <summary>The misbehaving endpoint is always the first choice. Only what the case is about has a time limit.</summary>
    private static Task<TestMesh> Mesh(Case wrong, string kind, string bad, string good) => TestMesh.StartAsync(
        $$"""
        "Services": { "reviews": { "Endpoints": [
          { "Address": "{{bad}}", "Labels": { "role": "primary" } }, { "Address": "{{good}}" } ] } },
        "Outbound": { "PerTryTimeout": "{{(wrong.Class == AttemptFailure.TimedOut ? "10s" : "0")}}", "Timeout": "0", "IdleTimeout": "30s" },
        "Routes": { "reviews": [ { "Route": [ {} ], "Retries": { {{(kind == "POST, reset" ? """ "RetryOn": "reset" """ : "")}} } } ] },
        "Destinations": { "reviews": {
          "LoadBalancer": { "Simple": "PRIMARY" },
          "ConnectionPool": { "MaxRequests": 10 },
          "OutlierDetection": { "Consecutive5xxErrors": 9, "SplitExternalLocalOriginErrors": true, "ConsecutiveLocalOriginFailures": 9 } } }
        """,
        static builder => builder.Services.AddSingleton<ILoadBalancingPolicy, PrimaryPolicy>(),
        sockets: true,
        fakeTime: true);
}
