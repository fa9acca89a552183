namespace Mesh.Discovery.Rules;

/// <summary>Selects endpoints by more than their labels.</summary>
internal abstract class EndpointFilter
{
    /// <summary>As written; equal texts select the same.</summary>
    public abstract string Text { get; }

    public abstract bool Matches(Endpoint endpoint);
}
