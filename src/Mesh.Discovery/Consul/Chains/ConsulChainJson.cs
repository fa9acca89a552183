using System.Text.Json.Serialization;
using Mesh.Discovery.Consul.Intentions;

namespace Mesh.Discovery.Consul.Chains;

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, MaxDepth = 32)]
[JsonSerializable(typeof(DiscoveryChainAnswer))]
[JsonSerializable(typeof(IReadOnlyList<ConsulIntention?>))]
[JsonSerializable(typeof(AuthorizeQuestion))]
[JsonSerializable(typeof(AuthorizeAnswer))]
internal sealed partial class ConsulChainJson : JsonSerializerContext;
