using System.Text.Json;
using Mesh.Discovery.Consul.Chains;
using Mesh.Discovery.Consul.Intentions;

namespace Mesh.Discovery.Tests.Consul;

/// <summary>Answers of a real agent (1.8.7), and documents like those of later versions.</summary>
internal static class ConsulSamples
{
    public static string Text(string name)
    {
        using var reader = new StreamReader(typeof(ConsulSamples).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }

    /// <summary>One of the samples <c>x</c>, <c>y</c>, <c>z</c>, <c>unknown</c>.</summary>
    public static DiscoveryChain Sample(string name) => Chain(Text($"chain-{name}.json"));

    public static DiscoveryChain Chain(string answer) =>
        JsonSerializer.Deserialize(answer, ConsulChainJson.Default.DiscoveryChainAnswer)!.Chain!;

    /// <summary>A chain of the service x in dc1 by its nodes and further targets; it has the targets x, y, v1 and v2 of x.</summary>
    public static DiscoveryChain Chain(string start, string nodes, string targets = "") => Chain($$"""
        { "Chain": { "ServiceName": "x", "Namespace": "default", "Datacenter": "dc1", "StartNode": "{{start}}",
          "Nodes": {
            "x": { "Type": "resolver", "Resolver": { "Target": "x" } },
            "y": { "Type": "resolver", "Resolver": { "Target": "y" } },
            "v1": { "Type": "resolver", "Resolver": { "Target": "v1" } },
            "v2": { "Type": "resolver", "Resolver": { "Target": "v2" } }
            {{(nodes.Length > 0 ? "," + nodes : "")}} },
          "Targets": {
            "x": { "Service": "x", "Datacenter": "dc1" },
            "y": { "Service": "y", "Datacenter": "dc1", "Namespace": "default" },
            "v1": { "Service": "x", "ServiceSubset": "v1", "Datacenter": "dc1", "Subset": { "Filter": "Service.Meta.version == v1" } },
            "v2": { "Service": "x", "ServiceSubset": "v2", "Datacenter": "dc1", "Subset": { "Filter": "Service.Meta.version == v2", "OnlyPassing": true } }
            {{(targets.Length > 0 ? "," + targets : "")}} } } }
        """);

    /// <summary>A chain with a router of one route; its <c>Match.HTTP</c> and its <c>Destination</c>.</summary>
    public static DiscoveryChain Route(string http = "{}", string destination = "{}", string next = "y") => Chain("router", $$"""
        "router": { "Type": "router", "Routes": [
          { "Definition": { "Match": { "HTTP": {{http}} }, "Destination": {{destination}} }, "NextNode": "{{next}}" },
          { "Definition": { "Match": { "HTTP": { "PathPrefix": "/" } } }, "NextNode": "x" } ] }
        """);

    public static IReadOnlyList<ConsulIntention?> Intentions(string answer) =>
        JsonSerializer.Deserialize(answer, ConsulChainJson.Default.IReadOnlyListConsulIntention)!;
}
