using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Transport;

/// <summary>
/// Asks endpoints whether they are well, over a connection of its own each time: that calls have taken all of the others is no
/// reason to call an endpoint ill.
/// </summary>
internal sealed class EndpointProber(EndpointTransport transport) : IEndpointProber
{
    private const string UserAgent = "mesh-health-check";

    /// <summary>gRPC: an empty frame has five bytes; an answer is a handful.</summary>
    private const int FrameHeader = 5;
    private const int MaxAnswer = 256;

    public async Task<string?> ProbeAsync(EndpointState endpoint, HealthCheckConfig check, CancellationToken cancel)
    {
        try
        {
            return check.Type switch
            {
                HealthCheckType.Tcp => await ConnectAsync(endpoint, cancel).ConfigureAwait(false),
                HealthCheckType.Grpc => await AskGrpcAsync(endpoint, check.GrpcService, cancel).ConfigureAwait(false),
                _ => await AskHttpAsync(endpoint, check.Path, cancel).ConfigureAwait(false),
            };
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // Whatever it is: it is the answer to the question.
            return e.Message;
        }
    }

    private static async Task<string?> ConnectAsync(EndpointState endpoint, CancellationToken cancel)
    {
        var address = endpoint.Endpoint.Address;
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.IdnHost, address.Port, cancel).ConfigureAwait(false);
        return null;
    }

    private async Task<string?> AskHttpAsync(EndpointState endpoint, string path, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, UriOf(endpoint, path));
        request.Headers.UserAgent.ParseAdd(UserAgent);
        using var invoker = transport.CreateOwn(endpoint);
        using var response = await invoker.SendAsync(request, cancel).ConfigureAwait(false);
        return response.IsSuccessStatusCode ? null : $"{path} answers {(int)response.StatusCode}";
    }

    /// <summary>The gRPC health checking protocol (grpc/doc/health-checking.md), whose two messages have one field each.</summary>
    private async Task<string?> AskGrpcAsync(EndpointState endpoint, string service, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, UriOf(endpoint, "/grpc.health.v1.Health/Check"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Frame(service)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.UserAgent.ParseAdd(UserAgent);
        request.Headers.TE.ParseAdd("trailers");
        using var invoker = transport.CreateOwn(endpoint);
        using var response = await invoker.SendAsync(request, cancel).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return $"the gRPC health service answers HTTP {(int)response.StatusCode}";
        }

        using var stream = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        var answer = new byte[MaxAnswer];
        var length = await stream.ReadAtLeastAsync(answer, answer.Length, throwOnEndOfStream: false, cancel).ConfigureAwait(false);
        var status = GrpcStatus(response.TrailingHeaders) ?? GrpcStatus(response.Headers);
        return status != "0" ? $"the gRPC health service answers with the status {status ?? "(none)"}"
            : IsServing(answer.AsSpan(0, length)) ? null
            : $"the gRPC health service says that {(service.Length == 0 ? "the server" : service)} is not serving";
    }

    private static string? GrpcStatus(HttpResponseHeaders headers) =>
        headers.NonValidated.TryGetValues("grpc-status", out var status) ? status.ToString() : null;

    /// <summary>One frame with <c>HealthCheckRequest { string service = 1; }</c>.</summary>
    private static byte[] Frame(string service)
    {
        var name = Encoding.UTF8.GetBytes(service);
        var message = name.Length == 0 ? [] : new List<byte> { 0x0A };
        for (var left = name.Length; left > 0; left >>= 7)
        {
            message.Add((byte)((left & 0x7F) | (left > 0x7F ? 0x80 : 0)));
        }

        var frame = new byte[FrameHeader + message.Count + name.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Count + name.Length);
        message.CopyTo(frame, FrameHeader);
        name.CopyTo(frame, FrameHeader + message.Count);
        return frame;
    }

    /// <summary><c>HealthCheckResponse { ServingStatus status = 1; }</c>, of which SERVING is 1.</summary>
    private static bool IsServing(ReadOnlySpan<byte> answer) =>
        answer.Length >= FrameHeader + 2 && answer[0] == 0 && answer[FrameHeader] == 0x08 && answer[FrameHeader + 1] == 1;

    /// <summary>As a call has it: the endpoint's own handler knows whether TLS is spoken.</summary>
    private static Uri UriOf(EndpointState endpoint, string path) =>
        new(new Uri("http://" + (endpoint.Service.Host.StartsWith('*') ? endpoint.Id : endpoint.Service.Host)), path);
}
