using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Mesh.Discovery.Consul;

/// <summary>
/// How an endpoint is written into the meta of a Consul service, and read from it. Labels are pairs of the meta as they
/// are; what Consul's meta cannot hold of them travels as JSON in <see cref="LabelsKey"/>. Keys with the prefix
/// <c>mesh-</c> are the mesh's own.
/// </summary>
internal static class ConsulMeta
{
    public const string NamespaceKey = "mesh-namespace";

    /// <summary>Only for https.</summary>
    public const string SchemeKey = "mesh-scheme";

    public const string RegionKey = "mesh-region";

    public const string ZoneKey = "mesh-zone";

    public const string SubZoneKey = "mesh-subzone";

    /// <summary>Only for weight 0, which Consul does not take.</summary>
    public const string WeightKey = "mesh-weight";

    /// <summary>Only for instances that speak mTLS with certificates of the mesh.</summary>
    public const string MtlsKey = "mesh-mtls";

    /// <summary>Labels that the meta cannot hold as pairs: a JSON object.</summary>
    public const string LabelsKey = "mesh-labels";

    /// <summary>Consul's own limits, in bytes.</summary>
    private const int MaxPairs = 64;

    private const int MaxKey = 128;
    private const int MaxValue = 512;

    private const string OwnPrefix = "mesh-";

    /// <summary>Consul keeps it for itself.</summary>
    private const string ConsulPrefix = "consul-";

    /// <summary>Without escapes where JSON needs none: there is little room.</summary>
    private static readonly JsonTypeInfo<Dictionary<string, string>> s_labels = new ConsulMetaJson(
        new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }).DictionaryStringString;

    /// <summary>The meta of an instance.</summary>
    /// <exception cref="ConsulException">Something does not fit into Consul's limits.</exception>
    public static IReadOnlyDictionary<string, string> Write(ServiceName service, Endpoint endpoint)
    {
        var meta = new SortedDictionary<string, string>(StringComparer.Ordinal) { [NamespaceKey] = service.Namespace };
        Add(SchemeKey, endpoint.Address.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeHttps : "");
        Add(RegionKey, endpoint.Locality.Region);
        Add(ZoneKey, endpoint.Locality.Zone);
        Add(SubZoneKey, endpoint.Locality.SubZone);
        Add(WeightKey, endpoint.Weight == 0 ? "0" : "");
        Add(MtlsKey, endpoint.SpeaksMtls ? "true" : "");
        AddLabels(meta, endpoint.Labels);
        foreach (var (key, value) in meta)
        {
            if (Encoding.UTF8.GetByteCount(value) is var length and > MaxValue)
            {
                var what = key == LabelsKey
                    ? "Labels with long values, with keys other than letters, digits, '-' and '_', "
                        + "or beyond the number that Consul takes, share one such text."
                    : "";
                throw new ConsulException(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{service} cannot be registered in Consul: its meta '{key}' would have {length} bytes, ")
                    + $"and Consul takes at most {MaxValue}. {what}".TrimEnd());
            }
        }

        return meta;

        void Add(string key, string value)
        {
            if (value.Length > 0)
            {
                meta[key] = value;
            }
        }
    }

    /// <summary>The labels in the meta of a service, whoever registered it. What cannot be read is left out.</summary>
    public static Labels ReadLabels(IReadOnlyDictionary<string, string>? meta)
    {
        if (meta is null || meta.Count == 0)
        {
            return Labels.Empty;
        }

        var labels = meta.Where(static pair => !pair.Key.StartsWith(OwnPrefix, StringComparison.Ordinal));
        if (meta.TryGetValue(LabelsKey, out var json))
        {
            labels = labels.Concat(Unpack(json));
        }

        var result = new Labels(labels);
        return result.Count == 0 ? Labels.Empty : result;
    }

    /// <summary>The namespace; <see langword="null"/> where others registered the service.</summary>
    public static string? Namespace(IReadOnlyDictionary<string, string>? meta) =>
        meta?.GetValueOrDefault(NamespaceKey) is { Length: > 0 } text && !text.Contains('.') ? text : null;

    /// <summary><c>http</c> or <c>https</c>.</summary>
    public static string Scheme(IReadOnlyDictionary<string, string>? meta) =>
        meta?.GetValueOrDefault(SchemeKey) == Uri.UriSchemeHttps ? Uri.UriSchemeHttps : Uri.UriSchemeHttp;

    public static Locality Locality(IReadOnlyDictionary<string, string>? meta)
    {
        var locality = new Locality(
            meta?.GetValueOrDefault(RegionKey) ?? "",
            meta?.GetValueOrDefault(ZoneKey) ?? "",
            meta?.GetValueOrDefault(SubZoneKey) ?? "");
        return locality == Discovery.Locality.Unknown ? Discovery.Locality.Unknown : locality;
    }

    /// <summary>Whether the instance says that it speaks mTLS with a certificate of the mesh.</summary>
    public static bool SpeaksMtls(IReadOnlyDictionary<string, string>? meta) => meta?.GetValueOrDefault(MtlsKey) == "true";

    /// <param name="meta">The meta.</param>
    /// <param name="weight">What Consul says, for the state that the instance is in.</param>
    public static int Weight(IReadOnlyDictionary<string, string>? meta, int weight) =>
        meta?.GetValueOrDefault(WeightKey) == "0" ? 0 : weight;

    /// <summary>The address of an endpoint; <see langword="null"/> if host and port make none.</summary>
    public static Uri? Address(IReadOnlyDictionary<string, string>? meta, string host, int port)
    {
        if (host.Length == 0 || port is < 1 or > 65535)
        {
            return null;
        }

        var name = host.Contains(':') && !host.StartsWith('[') ? $"[{host}]" : host;
        var text = string.Create(CultureInfo.InvariantCulture, $"{Scheme(meta)}://{name}:{port}");
        return Uri.TryCreate(text, UriKind.Absolute, out var address)
            && address is { UserInfo.Length: 0, AbsolutePath: "/", Query.Length: 0, Fragment.Length: 0 } ? address : null;
    }

    private static void AddLabels(SortedDictionary<string, string> meta, Labels labels)
    {
        var packed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels)
        {
            if (!FitsAsPair(key, value))
            {
                packed[key] = value;
            }
        }

        // The pair that holds the packed ones takes a place too; the shortest give way, as there is little room in it.
        var pairs = labels.Where(label => !packed.ContainsKey(label.Key))
            .OrderByDescending(static label => label.Key.Length + label.Value.Length)
            .ToList();
        var room = MaxPairs - meta.Count;
        if (pairs.Count > room || (pairs.Count == room && packed.Count > 0))
        {
            foreach (var (key, value) in pairs[(room - 1)..])
            {
                packed[key] = value;
            }

            pairs.RemoveRange(room - 1, pairs.Count - (room - 1));
        }

        foreach (var (key, value) in pairs)
        {
            meta[key] = value;
        }

        if (packed.Count > 0)
        {
            meta[LabelsKey] = JsonSerializer.Serialize(packed, s_labels);
        }
    }

    private static bool FitsAsPair(string key, string value) =>
        key.Length is > 0 and <= MaxKey
        && key.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
        && !key.StartsWith(OwnPrefix, StringComparison.Ordinal)
        && !key.StartsWith(ConsulPrefix, StringComparison.Ordinal)
        && Encoding.UTF8.GetByteCount(value) <= MaxValue;

    /// <summary>Anybody may write into the catalog: what is broken here must not take the service's endpoints away.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Unpack(string json)
    {
        try
        {
            return (JsonSerializer.Deserialize(json, s_labels) ?? []).Where(static pair => pair.Value is not null);
        }
        catch (JsonException)
        {
            return [];
        }
    }
}

[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class ConsulMetaJson : JsonSerializerContext;
