using Microsoft.Extensions.Options;

namespace Mesh.Client.Http;

/// <summary>Knows which named clients are meshed.</summary>
internal sealed class MeshedClients(IOptionsMonitor<MeshClientOptions> options, IEnumerable<AllClientsAreMeshed> all)
{
    private readonly bool _all = all.Any();

    public bool Contains(string? name) => options.Get(name ?? Options.DefaultName).IsMeshed ?? _all;
}
