using System.Collections.Concurrent;
using Grpc.Core;

namespace Mesh.Client.Tests.Grpc;

/// <summary>What a generator would make of the service's definition.</summary>
[BindServiceMethod(typeof(EchoBase), nameof(Bind))]
internal abstract class EchoBase
{
    public static readonly Method<string, string> UnaryMethod = Create(MethodType.Unary, nameof(Unary));
    public static readonly Method<string, string> ServerStreamMethod = Create(MethodType.ServerStreaming, nameof(ServerStream));
    public static readonly Method<string, string> ClientStreamMethod = Create(MethodType.ClientStreaming, nameof(ClientStream));
    public static readonly Method<string, string> DuplexMethod = Create(MethodType.DuplexStreaming, nameof(Duplex));

    /// <summary>Grpc.AspNetCore finds the methods by their names.</summary>
    public static void Bind(ServiceBinderBase binder, EchoBase? service)
    {
        binder.AddMethod(UnaryMethod, (UnaryServerMethod<string, string>?)null);
        binder.AddMethod(ServerStreamMethod, (ServerStreamingServerMethod<string, string>?)null);
        binder.AddMethod(ClientStreamMethod, (ClientStreamingServerMethod<string, string>?)null);
        binder.AddMethod(DuplexMethod, (DuplexStreamingServerMethod<string, string>?)null);
    }

    public abstract Task<string> Unary(string request, ServerCallContext context);

    public abstract Task ServerStream(string request, IServerStreamWriter<string> responses, ServerCallContext context);

    public abstract Task<string> ClientStream(IAsyncStreamReader<string> requests, ServerCallContext context);

    public abstract Task Duplex(IAsyncStreamReader<string> requests, IServerStreamWriter<string> responses, ServerCallContext context);

    private static Method<string, string> Create(MethodType type, string name) =>
        new(type, "Echo", name, Marshallers.StringMarshaller, Marshallers.StringMarshaller);
}

/// <summary>A gRPC service whose calls first do what the test says.</summary>
internal sealed class EchoService(EchoScript script) : EchoBase
{
    public override async Task<string> Unary(string request, ServerCallContext context)
    {
        script.Begin(context, request);
        if (script.HoldsTheFirst && script.Seen.Count == 1)
        {
            // Until its caller has had enough.
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
        }

        return request;
    }

    public override async Task ServerStream(string request, IServerStreamWriter<string> responses, ServerCallContext context)
    {
        var fail = script.Next(context, request);
        if (!script.FailsAfterTheFirstMessage)
        {
            fail?.Invoke(context);
        }

        await responses.WriteAsync(request + " 1", context.CancellationToken);
        fail?.Invoke(context);
        await responses.WriteAsync(request + " 2", context.CancellationToken);
    }

    public override async Task<string> ClientStream(IAsyncStreamReader<string> requests, ServerCallContext context)
    {
        if (script.FailsBeforeReading)
        {
            script.Begin(context, "");
        }

        var all = new List<string>();
        while (await requests.MoveNext(context.CancellationToken))
        {
            all.Add(requests.Current);
        }

        var text = string.Join(' ', all);
        if (!script.FailsBeforeReading)
        {
            script.Begin(context, text);
        }

        return text;
    }

    public override async Task Duplex(IAsyncStreamReader<string> requests, IServerStreamWriter<string> responses, ServerCallContext context)
    {
        script.Begin(context, "");
        while (await requests.MoveNext(context.CancellationToken))
        {
            await responses.WriteAsync(requests.Current, context.CancellationToken);
        }
    }
}

/// <summary>What the calls do, in turn; those after the last one succeed.</summary>
internal sealed class EchoScript
{
    public ConcurrentQueue<Action<ServerCallContext>> Failures { get; } = new();

    /// <summary>What each call was sent.</summary>
    public ConcurrentQueue<string> Seen { get; } = new();

    /// <summary>The number that each attempt was sent with; empty without.</summary>
    public ConcurrentQueue<string> Attempts { get; } = new();

    public bool FailsAfterTheFirstMessage { get; set; }

    /// <summary>Whether the first call is never answered.</summary>
    public bool HoldsTheFirst { get; set; }

    public bool FailsBeforeReading { get; set; }

    public void Fail(StatusCode status, int times = 1, Metadata? trailers = null)
    {
        for (var i = 0; i < times; i++)
        {
            Failures.Enqueue(_ => throw new RpcException(new Status(status, "scripted"), trailers ?? []));
        }
    }

    public void Begin(ServerCallContext context, string request) => Next(context, request)?.Invoke(context);

    public Action<ServerCallContext>? Next(ServerCallContext context, string request)
    {
        Seen.Enqueue(request);
        Attempts.Enqueue(context.RequestHeaders.GetValue("x-mesh-attempt") ?? "");
        return Failures.TryDequeue(out var failure) ? failure : null;
    }
}
