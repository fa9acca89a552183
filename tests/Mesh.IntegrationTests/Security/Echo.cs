using Grpc.Core;

namespace Mesh.IntegrationTests.Security;

/// <summary>A gRPC method without a generator.</summary>
internal static class Echo
{
    public static readonly Method<string, string> Method =
        new(MethodType.Unary, "Echo", nameof(Service.Unary), Marshallers.StringMarshaller, Marshallers.StringMarshaller);

    [BindServiceMethod(typeof(Base), nameof(Bind))]
    internal abstract class Base
    {
        /// <summary>Grpc.AspNetCore finds the method by its name.</summary>
        public static void Bind(ServiceBinderBase binder, Base? service) =>
            binder.AddMethod(Method, (UnaryServerMethod<string, string>?)null);

        public abstract Task<string> Unary(string request, ServerCallContext context);
    }

    internal sealed class Service : Base
    {
        public override Task<string> Unary(string request, ServerCallContext context) => Task.FromResult(request);
    }
}
