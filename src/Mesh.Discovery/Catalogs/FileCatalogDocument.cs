using System.Text.Json;
using System.Text.Json.Serialization;

namespace Mesh.Discovery.Catalogs;

/// <summary>The JSON document of one instance in a <see cref="FileCatalog"/>. Unknown properties are ignored.</summary>
internal sealed record FileCatalogDocument
{
    /// <summary>Documents above this many bytes are neither written nor read.</summary>
    public const int MaxBytes = 64 * 1024;

    public required string Id { get; init; }
    public required string Service { get; init; }

    /// <summary>Empty for a service outside the mesh's own name space.</summary>
    public required string Namespace { get; init; }
    public required string Address { get; init; }
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
    public int Weight { get; init; } = 1;
    public LocalityDocument? Locality { get; init; }
    public EndpointHealth Health { get; init; }
    public int? ServicePort { get; init; }

    /// <summary>Written only if it is so.</summary>
    public bool? SpeaksMtls { get; init; }
    public int Pid { get; init; }
    public DateTimeOffset StartedAt { get; init; }

    public static byte[] Write(ServiceInstance instance, DateTimeOffset startedAt)
    {
        var (id, service, endpoint) = instance;
        return JsonSerializer.SerializeToUtf8Bytes(
            new FileCatalogDocument
            {
                Id = id,
                Service = service.Name,
                Namespace = service.Namespace,
                Address = endpoint.Address.GetLeftPart(UriPartial.Authority),
                Labels = endpoint.Labels.ToDictionary(StringComparer.Ordinal),
                Weight = endpoint.Weight,
                Locality = endpoint.Locality == Discovery.Locality.Unknown
                    ? null
                    : new LocalityDocument(endpoint.Locality.Region, endpoint.Locality.Zone, endpoint.Locality.SubZone),
                Health = endpoint.Health,
                ServicePort = endpoint.ServicePort,
                SpeaksMtls = endpoint.SpeaksMtls ? true : null,
                Pid = Environment.ProcessId,
                StartedAt = startedAt,
            },
            FileCatalogJson.Default.FileCatalogDocument);
    }

    /// <summary>Reads and checks a document.</summary>
    /// <returns>The instance, or what is wrong with the document.</returns>
    public static (FileCatalogInstance? Instance, string? Problem) Read(ReadOnlySpan<byte> utf8)
    {
        FileCatalogDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(utf8, FileCatalogJson.Default.FileCatalogDocument);
        }
        catch (JsonException exception)
        {
            return (null, exception.Message);
        }

        return document is null ? (null, "it is null and not an object") : document.Check();
    }

    private (FileCatalogInstance? Instance, string? Problem) Check()
    {
        var problems = new List<string>();
        if (Id.Length == 0)
        {
            problems.Add("'id' is empty");
        }

        if (Service.Length == 0 || (Namespace.Length > 0 && Service.Contains('.')) || Namespace.Contains('.'))
        {
            problems.Add($"'service' is '{Service}' in 'namespace' '{Namespace}': a name without dots is needed");
        }

        if (!Uri.TryCreate(Address, UriKind.Absolute, out var address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
            || address.Host.Length == 0
            || address.PathAndQuery != "/"
            || address.UserInfo.Length > 0
            || address.Fragment.Length > 0)
        {
            problems.Add(
                $"'address' is '{Address}': http:// or https:// with host and port, and nothing more, is needed");
        }

        if (Weight is < 0 or > 65535)
        {
            problems.Add($"'weight' is {Weight}: 0 to 65535 is allowed");
        }

        if (ServicePort is < 1 or > 65535)
        {
            problems.Add($"'servicePort' is {ServicePort}: 1 to 65535 is allowed");
        }

        if (problems.Count > 0)
        {
            return (null, string.Join("; ", problems));
        }

        var endpoint = new Endpoint
        {
            Address = address!,
            Labels = Labels is { Count: > 0 } ? new Labels(Labels) : Discovery.Labels.Empty,
            Weight = Weight,
            Locality = Locality is { } locality
                ? new Locality(locality.Region ?? "", locality.Zone ?? "", locality.SubZone ?? "")
                : Discovery.Locality.Unknown,
            Health = Health,
            ServicePort = ServicePort,
            SpeaksMtls = SpeaksMtls ?? false,
        };
        var service = Namespace.Length == 0 ? ServiceName.External(Service) : new ServiceName(Service, Namespace);
        return (new FileCatalogInstance(service, endpoint, StartedAt), null);
    }
}

/// <summary>The place of an instance.</summary>
internal sealed record LocalityDocument(string? Region = null, string? Zone = null, string? SubZone = null);

/// <summary>What a good document says.</summary>
internal sealed record FileCatalogInstance(ServiceName Service, Endpoint Endpoint, DateTimeOffset StartedAt);

[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    WriteIndented = true,
    MaxDepth = 8,
    AllowDuplicateProperties = false,
    RespectNullableAnnotations = true,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FileCatalogDocument))]
internal sealed partial class FileCatalogJson : JsonSerializerContext;
