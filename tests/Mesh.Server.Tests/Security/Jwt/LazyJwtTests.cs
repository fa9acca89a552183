using System.Reflection;
using System.Runtime.Loader;

namespace Mesh.Server.Tests.Security.Jwt;

/// <summary>What verifies tokens costs start-up time, so a process loads it only when it has rules about them.</summary>
public sealed class LazyJwtTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Request_LoadsTheLibrariesOnlyForRules(bool hasRules)
    {
        var context = new Apart();
        var call = context.LoadFromAssemblyName(typeof(LazyJwtTests).Assembly.GetName())
            .GetType(typeof(LazyJwtTests).FullName!)!
            .GetMethod(nameof(CallAsync), BindingFlags.NonPublic | BindingFlags.Static)!;

        await (Task)call.Invoke(null, [hasRules])!;

        var loaded = context.Assemblies.Select(static assembly => assembly.GetName().Name!).ToList();
        Assert.Contains("Mesh.Server", loaded);
        Assert.Equal(hasRules, loaded.Exists(IsJwt));
    }

    private static async Task CallAsync(bool hasRules)
    {
        await using var mesh = await MeshApp.StartAsync(build: builder =>
        {
            if (hasRules)
            {
                builder.Configuration["Mesh:RequestAuthentication:0:Name"] = "users";
                builder.Configuration["Mesh:RequestAuthentication:0:JwtRules:0:Issuer"] = "https://issuer.example";
                builder.Configuration["Mesh:RequestAuthentication:0:JwtRules:0:Jwks"] = new TokenIssuer().KeySet;
            }
        });
        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer x");
        using var response = await mesh.Client.SendAsync(request);
        Assert.Equal(hasRules ? 401 : 200, (int)response.StatusCode);
    }

    private static bool IsJwt(string name) =>
        name.Contains("IdentityModel", StringComparison.Ordinal) || name.EndsWith(".JwtBearer", StringComparison.Ordinal);

    /// <summary>Our assemblies and the libraries once more, as they are in a process of their own.</summary>
    private sealed class Apart() : AssemblyLoadContext("apart")
    {
        protected override Assembly? Load(AssemblyName assemblyName) =>
            assemblyName.Name!.StartsWith("Mesh.", StringComparison.Ordinal) || IsJwt(assemblyName.Name)
                ? LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, assemblyName.Name + ".dll"))
                : null;
    }
}
