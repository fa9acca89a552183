using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mesh.Benchmarks.Simulation;

/// <summary>
/// <c>simulate</c>: what callers see under each policy in each scenario, in virtual time; <c>--json</c> the same as one
/// object, <c>--scenario</c> and <c>--policy</c> only some, <c>--seed</c> other luck, <c>--live</c> scenario (a) over
/// loopback in real time.
/// </summary>
internal static class SimulateCommand
{
    private const string Usage =
        "simulate [--json] [--live] [--seed N] [--scenario KEY,…] [--policy NAME,…]\nscenarios: {0}\npolicies: {1}";

    /// <summary>A plus sign as it is.</summary>
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task<int> RunAsync(string[] args)
    {
        if (!TryParse(args, out var options))
        {
            await Console.Error.WriteLineAsync(string.Format(
                CultureInfo.InvariantCulture,
                Usage,
                string.Join(", ", Scenarios.All.Select(static scenario => scenario.Key)),
                string.Join(", ", SimulationPolicy.All.Select(static policy => policy.Name))));
            return 2;
        }

        var results = new List<(Scenario Scenario, List<(SimulationPolicy Policy, SimulationResult Result)> Rows)>();
        foreach (var scenario in options.IsLive ? [Scenarios.SlowEndpoint] : options.Scenarios)
        {
            var rows = new List<(SimulationPolicy, SimulationResult)>();
            foreach (var policy in options.Policies)
            {
                rows.Add((policy, options.IsLive
                    ? await LiveRun.RunAsync(policy, options.Seed)
                    : Simulator.Run(scenario, policy, options.Seed)));
            }

            results.Add((scenario, rows));
        }

        Console.WriteLine(options.IsJson ? Json(results) : Table(results));
        return 0;
    }

    internal static string Json(IEnumerable<(Scenario Scenario, List<(SimulationPolicy Policy, SimulationResult Result)> Rows)> results)
    {
        var json = new JsonObject();
        foreach (var (scenario, rows) in results)
        {
            var policies = new JsonObject();
            foreach (var (policy, result) in rows)
            {
                policies[policy.Name] = result.ToJson();
            }

            json[scenario.Key] = policies;
        }

        return json.ToJsonString(s_plain);
    }

    private static string Table(IEnumerable<(Scenario Scenario, List<(SimulationPolicy Policy, SimulationResult Result)> Rows)> results)
    {
        var text = new StringBuilder();
        foreach (var (scenario, rows) in results)
        {
            text.Append(CultureInfo.InvariantCulture, $"({scenario.Key}) {scenario.Title}; {scenario.Rate} requests/s for {scenario.Duration.TotalSeconds} s\n");
            text.Append(CultureInfo.InvariantCulture, $"  {"policy",-26}{"success",10}{"p50 ms",10}{"p99 ms",10}{"load",8}\n");
            foreach (var (policy, result) in rows)
            {
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"  {policy.Name,-26}{100 * result.Success,9:0.000}%{result.Percentile(0.5),10:0.0}{result.Percentile(0.99),10:0.0}{result.LoadFactor,8:0.000}\n");
            }

            text.Append('\n');
        }

        return text.ToString().TrimEnd('\n');
    }

    private static bool TryParse(string[] args, out Options options)
    {
        options = new Options();
        for (var i = 0; i < args.Length; i++)
        {
            var value = i + 1 < args.Length ? args[i + 1] : "";
            switch (args[i])
            {
                case "--json":
                    options.IsJson = true;
                    break;
                case "--live":
                    options.IsLive = true;
                    break;
                case "--seed" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var seed):
                    options.Seed = seed;
                    i++;
                    break;
                case "--scenario" when Choose(Scenarios.All, static scenario => scenario.Key, value) is { } scenarios:
                    options.Scenarios = scenarios;
                    i++;
                    break;
                case "--policy" when Choose(SimulationPolicy.All, static policy => policy.Name, value) is { } policies:
                    options.Policies = policies;
                    i++;
                    break;
                default:
                    return false;
            }
        }

        // Real time has the one scenario.
        return !options.IsLive || options.Scenarios.Contains(Scenarios.SlowEndpoint);
    }

    private static List<T>? Choose<T>(IReadOnlyList<T> all, Func<T, string> name, string names)
    {
        var wanted = names.Split(',');
        return wanted.All(one => all.Any(item => name(item).Equals(one, StringComparison.OrdinalIgnoreCase)))
            ? [.. all.Where(item => wanted.Contains(name(item), StringComparer.OrdinalIgnoreCase))]
            : null;
    }

    private sealed class Options
    {
        public bool IsJson { get; set; }

        public bool IsLive { get; set; }

        public int Seed { get; set; } = 1;

        public IReadOnlyList<Scenario> Scenarios { get; set; } = Simulation.Scenarios.All;

        public IReadOnlyList<SimulationPolicy> Policies { get; set; } = SimulationPolicy.All;
    }
}
