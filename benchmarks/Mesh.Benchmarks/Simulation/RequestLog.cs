namespace Mesh.Benchmarks.Simulation;

/// <summary>Sends requests and writes down what becomes of them. Safe for concurrent use.</summary>
internal sealed class RequestLog(HttpMessageInvoker invoker, TimeProvider time)
{
    private static readonly Uri s_uri = new($"http://{SimulationPolicy.Service}/");

    private readonly Lock _lock = new();
    private readonly List<TimeSpan> _latencies = [];
    private int _sent;
    private int _succeeded;

    /// <summary>Requests whose end is not known yet.</summary>
    public int Open
    {
        get
        {
            lock (_lock)
            {
                return _sent - _latencies.Count;
            }
        }
    }

    public async Task SendAsync()
    {
        lock (_lock)
        {
            _sent++;
        }

        var start = time.GetTimestamp();
        var isGood = false;
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, s_uri);
            using var response = await invoker.SendAsync(request, CancellationToken.None).ConfigureAwait(false);
            await response.Content.CopyToAsync(Stream.Null).ConfigureAwait(false);
            isGood = (int)response.StatusCode < 500;
        }
        catch (HttpRequestException)
        {
            // Counted as what it is: no success.
        }

        var latency = time.GetElapsedTime(start);
        lock (_lock)
        {
            _latencies.Add(latency);
            _succeeded += isGood ? 1 : 0;
        }
    }

    public SimulationResult Result(int attempts, int refused)
    {
        lock (_lock)
        {
            return new SimulationResult(_latencies.Count, _succeeded, attempts, refused, [.. _latencies.Order()]);
        }
    }
}
