using Mesh.Client.LoadBalancing;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>Makes the picker of a view at its first pick and leaves it there: it lives exactly as long as its endpoints.</summary>
internal sealed class PickerCache(LoadBalancerFactory balancers, MeshOptions options)
{
    /// <summary>What <c>useSourceIp</c> hashes: this instance's address as others know it, else the machine's name.</summary>
    private readonly string _sourceAddress = options.Advertise?.Host ?? Environment.MachineName;

    public EndpointPicker Get(DestinationView view) => (EndpointPicker?)Volatile.Read(ref view.Picker) ?? Create(view);

    private EndpointPicker Create(DestinationView view)
    {
        // A table for many endpoints is dear: one caller makes it, the others wait for that one.
        lock (view)
        {
            var picker = (EndpointPicker?)view.Picker;
            if (picker is null)
            {
                picker = balancers.CreatePicker(view.Endpoints, view.LoadBalancer, _sourceAddress, view.Balance?.Weights);
                Volatile.Write(ref view.Picker, picker);
            }

            return picker;
        }
    }
}
