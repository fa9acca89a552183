using System.Net;
using Mesh.Client.Telemetry;
using Mesh.Discovery;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Pipeline;

/// <summary>
/// Makes what <see cref="FaultPlan"/> draws happen: below the total timeout, which a delay uses up, and above the attempts, so
/// that an abort is one for each logical request and never repeated. Safe for concurrent use.
/// </summary>
internal sealed class FaultInjector(
    MeshClientTelemetry telemetry, MeshOptions options, TimeProvider time, IRandomSource random)
{
    /// <summary>On every response that was delayed or made up, so that nobody looks for the reason elsewhere.</summary>
    public const string Header = "x-mesh-fault";

    /// <summary>What the header says of a response that is the callee's own.</summary>
    public const string Delayed = "delay";

    private readonly int _max = options.Outbound.MaxActiveFaults;
    private int _active;

    public int Active => Volatile.Read(ref _active);

    /// <summary>The fault of this request, which must then be injected; null if it has none or too many have one already.</summary>
    public Fault? Draw(FaultPlan plan, ServiceState service, HttpRequestMessage request)
    {
        if (plan.Draw(request, random) is not { } fault)
        {
            return null;
        }

        if (Interlocked.Increment(ref _active) > _max && _max > 0)
        {
            Interlocked.Decrement(ref _active);
            telemetry.Faulted(service, "overflow");
            return null;
        }

        telemetry.Faulted(service, fault.Kind);
        return fault;
    }

    /// <summary>Waits, and answers if the request is aborted.</summary>
    /// <returns>The abort; null if the request goes on.</returns>
    /// <exception cref="DeadlineExceededException">The delay takes longer than the request may.</exception>
    public async Task<HttpResponseMessage?> InjectAsync(
        Fault fault, Route route, HttpRequestMessage request, long deadline, CancellationToken cancel)
    {
        try
        {
            if (fault.Delay > TimeSpan.Zero)
            {
                var left = deadline == Timestamps.Never ? TimeSpan.MaxValue : time.GetElapsedTime(time.GetTimestamp(), deadline);
                left = left < TimeSpan.Zero ? TimeSpan.Zero : left;
                var isTooLong = fault.Delay >= left;
                await Task.Delay(isTooLong ? left : fault.Delay, time, cancel).ConfigureAwait(false);
                if (isTooLong)
                {
                    throw new DeadlineExceededException(
                        $"{request.Method} {request.RequestUri}: an injected delay of {fault.Delay.TotalSeconds:0.###} s has used up "
                        + $"the {left.TotalSeconds:0.###} s that the request had left (fault of the route '{route.Name}').",
                        null);
                }
            }

            cancel.ThrowIfCancellationRequested();
            return fault.IsAbort ? Abort(fault, route, request) : null;
        }
        finally
        {
            Interlocked.Decrement(ref _active);
        }
    }

    public static void Mark(HttpResponseMessage response, string kind)
    {
        response.Headers.Remove(Header);
        response.Headers.TryAddWithoutValidation(Header, kind);
    }

    /// <summary>A gRPC call gets a gRPC answer and any other an HTTP answer, whichever status the rule gives.</summary>
    private static HttpResponseMessage Abort(Fault fault, Route route, HttpRequestMessage request)
    {
        const string Message = "aborted by a fault of the route";
        var response = GrpcMessages.IsGrpc(request)
            ? GrpcMessages.TrailersOnly(fault.GrpcStatus ?? GrpcMessages.FromHttp(fault.HttpStatus!.Value), Message)
            : new HttpResponseMessage((HttpStatusCode)(fault.HttpStatus ?? GrpcMessages.ToHttp(fault.GrpcStatus!.Value)))
            {
                Version = request.Version,
                Content = new StringContent(Message),
            };
        response.RequestMessage = request;
        route.ResponseHeaders?.Apply(response);
        Mark(response, fault.Kind);
        return response;
    }
}
