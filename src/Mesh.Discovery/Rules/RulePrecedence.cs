namespace Mesh.Discovery.Rules;

/// <summary>
/// How strong the sources are: of two rules for one host the one with the higher number wins. What many share wins over
/// what one process brings along, so that an operator can steer all of them; and what Consul itself has checked wins over
/// what only we understand.
/// </summary>
internal static class RulePrecedence
{
    /// <summary>Of this process alone: the configuration and rule files. Errors in them keep it from starting.</summary>
    public const int Local = 0;

    /// <summary>Shared documents under a key prefix.</summary>
    public const int ConsulKeyValue = 100;

    /// <summary>Consul's own config entries and intentions.</summary>
    public const int ConsulConfigEntries = 200;
}
