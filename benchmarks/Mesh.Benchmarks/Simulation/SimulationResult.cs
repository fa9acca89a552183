using System.Text.Json.Nodes;

namespace Mesh.Benchmarks.Simulation;

/// <summary>What became of the requests of one run.</summary>
/// <param name="Requests">How many were made.</param>
/// <param name="Succeeded">How many got a response below 500 within their time.</param>
/// <param name="Attempts">How many attempts endpoints got for them, refused connections included.</param>
/// <param name="Refused">How many of the attempts found no connection, and so sent nothing.</param>
/// <param name="Latencies">Of all requests, whatever their end; ascending.</param>
internal sealed record SimulationResult(int Requests, int Succeeded, int Attempts, int Refused, TimeSpan[] Latencies)
{
    public double Success => (double)Succeeded / Requests;

    public double LoadFactor => (double)Attempts / Requests;

    public double Percentile(double share) => Latencies[(int)(Latencies.Length * share)].TotalMilliseconds;

    public JsonObject ToJson() => new()
    {
        ["success"] = Math.Round(Success, 6),
        ["p50_ms"] = Math.Round(Percentile(0.5), 2),
        ["p99_ms"] = Math.Round(Percentile(0.99), 2),
        ["load_factor"] = Math.Round(LoadFactor, 4),
    };
}
