using Mesh.Discovery.Consul;
using Microsoft.Extensions.Logging.Testing;

namespace Mesh.Discovery.Tests.Consul;

public sealed class SavedViewsTests
{
    [Fact]
    public void Remove_NothingWasEverSaved_IsNoFailure()
    {
        var logger = new FakeLogger();
        var directory = Path.Combine(Path.GetTempPath(), $"mesh-saved-{Guid.NewGuid():N}", "service");
        using var saved = new SavedViews(directory, TimeProvider.System, logger);

        saved.Remove("/v1/connect/intentions");

        Assert.Equal(0, logger.Collector.Count);
    }
}
