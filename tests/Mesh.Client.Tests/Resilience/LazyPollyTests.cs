using System.Reflection;
using System.Runtime.Loader;

namespace Mesh.Client.Tests.Resilience;

/// <summary>Polly costs start-up time, so a process loads it only when it has a breaker or a pipeline.</summary>
public sealed class LazyPollyTests
{
    [Theory]
    [InlineData(""" "Outbound": { "RetryAttempts": 2, "OutlierDetection": {} } """, false)]
    [InlineData(""" "Destinations": { "reviews": { "CircuitBreaker": { "State": "Closed" } } } """, false)]
    [InlineData(""" "Destinations": { "reviews": { "CircuitBreaker": {} } } """, true)]
    public async Task Call_ThroughTheWholePipeline_LoadsPollyOnlyForABreaker(string section, bool isLoaded)
    {
        var context = new Apart();
        var call = context.LoadFromAssemblyName(typeof(LazyPollyTests).Assembly.GetName())
            .GetType(typeof(LazyPollyTests).FullName!)!
            .GetMethod(nameof(CallAsync), BindingFlags.NonPublic | BindingFlags.Static)!;

        await (Task)call.Invoke(null, [section])!;

        Assert.Contains("Mesh.Client", context.Assemblies.Select(static assembly => assembly.GetName().Name));
        Assert.Equal(isLoaded, context.Assemblies.Any(static assembly => assembly.GetName().Name == "Polly.Core"));
    }

    private static async Task CallAsync(string section)
    {
        await using var mesh = await TestMesh.StartAsync(TestMesh.Reviews(section));
        mesh.Endpoints.Script(static () => ScriptedEndpoints.Status(503), static () => ScriptedEndpoints.Ok());
        using var response = await mesh.Get();
        Assert.True(response.IsSuccessStatusCode);
    }

    /// <summary>Our assemblies and Polly's once more, as they are in a process of their own.</summary>
    private sealed class Apart() : AssemblyLoadContext("apart")
    {
        protected override Assembly? Load(AssemblyName assemblyName) =>
            assemblyName.Name!.StartsWith("Mesh.", StringComparison.Ordinal) || assemblyName.Name.StartsWith("Polly", StringComparison.Ordinal)
                ? LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, assemblyName.Name + ".dll"))
                : null;
    }
}
