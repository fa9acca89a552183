using Polly.Timeout;

namespace Mesh.Client.Tests.Docs;

/// <summary>The code of docs/resilience.md does what the page says.</summary>
public sealed class ResilienceSnippetsTests
{
    [Fact]
    public async Task OwnPipeline_PartnerIsSlow_TheCallEndsAfterThreeSeconds()
    {
        await using var mesh = await TestMesh.StartAsync(
            TestMesh.Reviews(""" "Destinations": { "reviews": { "ResiliencePipeline": "slow-partner" } } """), ResilienceSnippets.OwnPipeline);
        mesh.Endpoints.Answer = static (_, attempt) => attempt.Hang();
        var start = mesh.Time.GetTimestamp();

        var error = await Assert.ThrowsAsync<PipelineRejectedException>(() => mesh.Get());

        Assert.IsType<TimeoutRejectedException>(error.InnerException);
        Assert.InRange(mesh.Time.GetElapsedTime(start), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(9));
        Assert.Single(mesh.Endpoints.Attempts);
    }
}
