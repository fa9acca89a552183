using System.Net;
using Mesh.Client.Pipeline;

namespace Mesh.Client.Tests.Pipeline;

/// <summary>What a response says of the next attempt: <c>Retry-After</c> and gRPC's pushback.</summary>
public sealed class AskedPauseTests
{
    private static readonly DateTimeOffset s_now = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Theory]
    [InlineData("Retry-After", "7", 7000)]
    [InlineData("Retry-After", "0", 0)]
    [InlineData("Retry-After", "Wed, 02 Jan 2030 03:04:15 GMT", 10_000)]
    [InlineData("Retry-After", "Wed, 02 Jan 2030 03:04:00 GMT", 0)]
    [InlineData("Retry-After", "soon", null)]
    [InlineData("Retry-After", "-1", null)]
    [InlineData("grpc-retry-pushback-ms", "250", 250)]
    [InlineData("grpc-retry-pushback-ms", "-1", -1)]
    [InlineData("grpc-retry-pushback-ms", "x", -1)]
    [InlineData("x-other", "1", null)]
    public void AskedPause_Header_IsRead(string header, string value, int? milliseconds)
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation(header, value);

        var pause = RetryDecision.AskedPause(response, s_now);

        Assert.Equal(milliseconds, pause is null ? null : pause < TimeSpan.Zero ? -1 : (int)pause.Value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("2", 2)]
    [InlineData("29", 29)]
    public async Task Send_RetryAfterWithinTheTotalTimeout_IsWaitedFor(string seconds, int expected)
    {
        await using var mesh = await TestMesh.StartAsync();
        mesh.Endpoints.Script(() => Busy(seconds), () => ScriptedEndpoints.Ok());
        var start = mesh.Time.GetTimestamp();

        using var response = await mesh.Get();

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.InRange(mesh.Time.GetElapsedTime(start).TotalSeconds, expected, expected + 1);
    }

    [Theory]
    [InlineData("30", "30s")]
    [InlineData("301", "0s")]
    [InlineData("99999999999999", "0s")]
    public async Task Send_RetryAfterBeyondTheTotalTimeoutOrFiveMinutes_IsTheAnswer(string seconds, string timeout)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews($$""" "Outbound": { "Timeout": "{{timeout}}", "RetryAttempts": 1 } """));
        mesh.Endpoints.Script(() => Busy(seconds), () => Busy("1"));

        using var response = await mesh.Get();

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(seconds.Length > 5 ? 2 : 1, mesh.Endpoints.Attempts.Count);
    }

    private static HttpResponseMessage Busy(string seconds)
    {
        var response = ScriptedEndpoints.Status(503);
        response.Headers.TryAddWithoutValidation("Retry-After", seconds);
        return response;
    }
}
