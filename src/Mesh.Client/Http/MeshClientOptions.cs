namespace Mesh.Client.Http;

/// <summary>Whether one named client is meshed.</summary>
internal sealed class MeshClientOptions
{
    /// <summary>Null: as the process decides for all of its clients.</summary>
    public bool? IsMeshed { get; set; }
}

/// <summary>Registered where <c>builder.AddServiceMesh()</c> was called: every client is meshed that does not say otherwise.</summary>
internal sealed class AllClientsAreMeshed;
