namespace Mesh.Benchmarks;

/// <summary>Answers without a network: at once, or after really awaiting.</summary>
internal sealed class StubHandler(bool awaits) : HttpMessageHandler
{
    private readonly HttpResponseMessage _response = new() { Content = new ByteArrayContent([]) };

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        awaits ? AwaitAsync() : Task.FromResult(_response);

    private async Task<HttpResponseMessage> AwaitAsync()
    {
        await Task.Yield();
        return _response;
    }
}
