#pragma warning disable
using Mesh.Discovery.Catalogs;
using Mesh.Discovery.Rules;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;
namespace Mesh.Discovery.Consul.Chains
{
    internal sealed class ConsulChains(string ns) { public void Update(string s, DiscoveryChain? c) { } public RuleBatch Batch { get; } = RuleBatch.Empty; }
    internal sealed class DiscoveryChain { public bool IsDefault => true; }
    internal sealed class DiscoveryChainResponse { public DiscoveryChain? Chain { get; set; } }
    [JsonSerializable(typeof(DiscoveryChainResponse))]
    [JsonSerializable(typeof(Mesh.Discovery.Consul.Intentions.IntentionEntry[]))]
    internal sealed partial class ConsulChainJson : JsonSerializerContext;
}
namespace Mesh.Discovery.Consul.Intentions
{
    internal sealed class ConsulIntentions(string ns) { public RuleBatch Update(IReadOnlyList<IntentionEntry> e) => RuleBatch.Empty; }
    internal sealed class IntentionEntry { }
}
