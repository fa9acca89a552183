using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;

namespace Mesh.Client.Http;

/// <summary>
/// The mesh's timeouts rule a meshed client: its own default of 100 s would cut calls and nobody be told. A timeout that
/// the application sets on the client still holds, because it is set after this.
/// </summary>
internal sealed class ConfigureMeshedClient(MeshedClients meshed) : IConfigureNamedOptions<HttpClientFactoryOptions>
{
    public void Configure(string? name, HttpClientFactoryOptions options)
    {
        if (meshed.Contains(name))
        {
            options.HttpClientActions.Insert(0, static client => client.Timeout = Timeout.InfiniteTimeSpan);
        }
    }

    public void Configure(HttpClientFactoryOptions options) => Configure(Options.DefaultName, options);
}
