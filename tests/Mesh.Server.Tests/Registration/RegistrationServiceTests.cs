using Mesh.Discovery;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mesh.Server.Tests.Registration;

public sealed class RegistrationServiceTests
{
    [Fact]
    public async Task StartedAsync_ServerListens_RegistersWhatTheOptionsSay()
    {
        await using var mesh = await MeshApp.StartAsync(options =>
        {
            options.Weight = 7;
            options.Locality = new Locality("eu", "eu-1");
        });

        var instance = await mesh.Catalog.Registered.Task;

        Assert.Equal(new ServiceName("reviews", "prod"), instance.Service);
        Assert.Equal(new Uri(mesh.App.Urls.Single()), instance.Endpoint.Address);
        Assert.Equal("version=v2", instance.Endpoint.Labels.ToString());
        Assert.Equal(7, instance.Endpoint.Weight);
        Assert.Equal("eu/eu-1", instance.Endpoint.Locality.ToString());
        Assert.Matches($"^reviews-{Environment.ProcessId}-[0-9a-f]{{16}}$", instance.Id);
        var line = await mesh.LogLine("Registered");
        Assert.Contains("reviews.prod", line, StringComparison.Ordinal);
        Assert.Contains(instance.Endpoint.Address.AbsoluteUri, line, StringComparison.Ordinal);
        Assert.Contains("version=v2", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartedAsync_TwoHosts_HaveDifferentIds()
    {
        await using var one = await MeshApp.StartAsync();
        await using var other = await MeshApp.StartAsync();

        Assert.NotEqual((await one.Catalog.Registered.Task).Id, (await other.Catalog.Registered.Task).Id);
    }

    [Fact]
    public async Task StartedAsync_Advertise_IsRegisteredInPlaceOfTheListeningAddress()
    {
        await using var mesh = await MeshApp.StartAsync(options => options.Advertise = new Uri("https://reviews.example.com:444"));

        Assert.Equal(new Uri("https://reviews.example.com:444"), (await mesh.Catalog.Registered.Task).Endpoint.Address);
    }

    [Fact]
    public async Task StartedAsync_LoopbackAddressInASharedCatalog_Warns()
    {
        await using var mesh = await MeshApp.StartAsync();

        Assert.Contains("other machines cannot reach", await mesh.LogLine("Registering http://127.0.0.1"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartedAsync_RegistryFails_HostRunsAndItIsTriedAgain()
    {
        await using var mesh = await MeshApp.StartAsync(catalog: new FakeCatalog { Failures = 4 });
        Assert.Equal("hello", await mesh.Client.GetStringAsync("/"));

        await mesh.AdvanceUntil(mesh.Catalog.Registered.Task);

        Assert.Equal(5, mesh.Catalog.Attempts);
        var errors = mesh.Logs.GetSnapshot().Where(static log => log.Level == LogLevel.Error).ToArray();
        Assert.Equal(4, errors.Length);
        Assert.All(errors, static log => Assert.Contains("in catalog Fake failed", log.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task StoppingAsync_RegistryNeverAnswered_StopsAllTheSame()
    {
        await using var mesh = await MeshApp.StartAsync(
            options => options.Drain.Delay = TimeSpan.Zero, catalog: new FakeCatalog { Failures = int.MaxValue });

        await mesh.App.StopAsync();

        Assert.False(mesh.Catalog.Registered.Task.IsCompleted);
        Assert.False(mesh.Catalog.Withdrawn.Task.IsCompleted);
    }

    [Fact]
    public async Task StoppingAsync_WithdrawingFails_IsLoggedAndTheHostStops()
    {
        await using var mesh = await MeshApp.StartAsync(options => options.Drain.Delay = TimeSpan.Zero);
        mesh.Catalog.FailsToWithdraw = true;
        await mesh.Catalog.Registered.Task;

        await mesh.App.StopAsync();

        await mesh.LogLine("Leaving: withdrawing the registration failed");
        await mesh.LogLine("Leaving: the server stops");
    }

    [Fact]
    public async Task StoppingAsync_RegistryDoesNotAnswer_GoesOnAfterAWhile()
    {
        await using var mesh = await MeshApp.StartAsync();
        mesh.Catalog.Hangs = true;
        await mesh.Catalog.Registered.Task;

        await mesh.AdvanceUntil(mesh.App.StopAsync());

        await mesh.LogLine("Leaving: withdrawing the registration failed");
        await mesh.LogLine("Leaving: serving for another");
    }

    [Fact]
    public async Task DisposeAsync_HostNeverStopped_Withdraws()
    {
        var mesh = await MeshApp.StartAsync();
        await mesh.Catalog.Registered.Task;

        await mesh.DisposeAsync();

        Assert.True(mesh.Catalog.Withdrawn.Task.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task AddServiceMesh_CalledTwice_RegistersOnceAndRunsBothActions()
    {
        await using var mesh = await MeshApp.StartAsync(build: builder => builder.AddServiceMesh(options => options.Weight = 9));

        var instance = await mesh.Catalog.Registered.Task;

        Assert.Equal(9, instance.Endpoint.Weight);
        Assert.Equal(1, mesh.Catalog.Attempts);
        Assert.Single(mesh.App.Services.GetServices<Microsoft.AspNetCore.Hosting.IStartupFilter>(),
            static filter => filter.GetType().Namespace!.StartsWith("Mesh.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task StartAsync_FileCatalogsTimesDoNotFit_IsRefusedWithTheOtherErrors()
    {
        var exception = await Assert.ThrowsAsync<MeshConfigurationException>(() => MeshApp.StartAsync(static options =>
        {
            options.Discovery.Providers.Add("File");
            options.Discovery.Providers.Add("Fiel");
            options.Discovery.File.Expiry = TimeSpan.FromMilliseconds(1500);
        }));

        Assert.Contains("Mesh:Discovery:File: Expiry is 00:00:01.5000000", exception.Message, StringComparison.Ordinal);
        Assert.Contains("Fiel", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task StartedAsync_FileCatalogAlone_RegistersLoopbackForAWildcardAndLeavesNothingBehind()
    {
        var directory = Directory.CreateTempSubdirectory("mesh-test-");
        try
        {
            var mesh = await MeshApp.StartAsync(
                options =>
                {
                    options.Discovery.Providers.Clear();
                    options.Discovery.Providers.Add("File");
                    options.Discovery.File.Path = directory.FullName;
                    options.Drain.Delay = TimeSpan.Zero;
                },
                urls: "http://*:0");
            await using (mesh)
            {
                var document = await File.ReadAllTextAsync(Assert.Single(directory.GetFiles("*.json")).FullName);
                Assert.Contains($"\"http://127.0.0.1:{new Uri(mesh.App.Urls.Single().Replace("[::]", "any")).Port}\"", document, StringComparison.Ordinal);
                await mesh.App.StopAsync();
                Assert.Empty(directory.GetFileSystemInfos());
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task StartedAsync_ServerWithoutAddress_WarnsAndIsNotRegistered()
    {
        var socket = Path.Combine(Path.GetTempPath(), $"mesh-{Guid.NewGuid():N}");

        await using var mesh = await MeshApp.StartAsync(urls: $"http://unix:{socket}");

        Assert.Contains("Mesh:Advertise", await mesh.LogLine("The server listens on no TCP address"), StringComparison.Ordinal);
        Assert.Equal(0, mesh.Catalog.Attempts);
    }
}
