namespace Mesh.Server.Registration;

/// <summary>Whether the process is on its way out. Written once, read by every request.</summary>
internal sealed class DrainState
{
    private volatile bool _isDraining;

    public bool IsDraining => _isDraining;

    public void Start() => _isDraining = true;
}
