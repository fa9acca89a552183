using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.Extensions.Options;

namespace Mesh.Server.Security.Jwt;

/// <summary>Options that nobody registered and that do not change.</summary>
internal sealed class FixedOptions(JwtBearerOptions options) : IOptionsMonitor<JwtBearerOptions>
{
    public JwtBearerOptions CurrentValue => options;

    public JwtBearerOptions Get(string? name) => options;

    public IDisposable? OnChange(Action<JwtBearerOptions, string?> listener) => null;
}
