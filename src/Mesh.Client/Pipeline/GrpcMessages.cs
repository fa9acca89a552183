using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Mesh.Client.Pipeline;

/// <summary>What the pipeline needs to know of gRPC.</summary>
internal static class GrpcMessages
{
    public const string ContentType = "application/grpc";

    public static bool IsGrpc(HttpRequestMessage request) =>
        request.Content is { } content
        && content.Headers.NonValidated.TryGetValues("Content-Type", out var type)
        && IsGrpc(type.ToString());

    public static bool IsGrpc(string? contentType) => contentType?.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>A response that failed before its first message: everything is in its headers (trailers-only).</summary>
    public static HttpResponseMessage TrailersOnly(int status, string message)
    {
        var response = new HttpResponseMessage(HttpStatusCode.OK) { Version = HttpVersion.Version20, Content = new ByteArrayContent([]) };
        response.Content.Headers.ContentType = new MediaTypeHeaderValue(ContentType);
        response.Headers.TryAddWithoutValidation("grpc-status", status.ToString(CultureInfo.InvariantCulture));
        response.Headers.TryAddWithoutValidation("grpc-message", message);
        return response;
    }

    /// <summary>gRPC, doc/http-grpc-status-mapping.md.</summary>
    public static int FromHttp(int status) => status switch
    {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 or 502 or 503 or 504 => 14,
        _ => 2,
    };

    /// <summary>The HTTP mapping in google/rpc/code.proto.</summary>
    public static int ToHttp(int status) => status switch
    {
        0 => 200,
        1 => 499,
        3 or 9 or 11 => 400,
        4 => 504,
        5 => 404,
        6 or 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    };
}
