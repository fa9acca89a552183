using System.Diagnostics;
using System.Text.Json.Nodes;
using Bookinfo.Launcher;
using Bookinfo.Launcher.Consul;

namespace Mesh.Benchmarks.Consul;

/// <summary>
/// <c>consul --json</c>: one agent with 1 000 services of 10 instances. How long it takes from a registration until the
/// last of 200 clients sees it, what an idle client costs, and what an endpoint takes in memory.
/// </summary>
internal static class ConsulCommand
{
    private const int Clients = 200;
    private const int WarmUps = 10;
    private const int Rounds = 50;

    /// <summary>What the idle client follows, as a process with many callees does.</summary>
    private const int IdleServices = 50;
    private const int IdleMinutes = 3;

    /// <summary>Longer than a watch rests after an answer, because a single registration does not meet that.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromMilliseconds(200);

    public static async Task<int> RunAsync()
    {
        try
        {
            var program = await ConsulProgram.FindAsync(Root(), Console.Error.WriteLine, CancellationToken.None);
            await using var agent = await DevelopmentAgent.StartAsync(
                program, DevelopmentAgent.ChoosePort(0), TextWriter.Null, TimeProvider.System, CancellationToken.None);
            Console.WriteLine((await MeasureAsync(agent.Address, program.Version)).ToJsonString());
            return 0;
        }
        catch (LauncherException failure)
        {
            Console.Error.WriteLine(failure.Message);
            return 2;
        }
    }

    private static async Task<JsonObject> MeasureAsync(Uri agent, Version version)
    {
        using var cluster = new ConsulCluster(agent);
        var watch = Stopwatch.StartNew();
        await cluster.FillAsync();
        var filled = watch.Elapsed;
        var seen = await MeasureRegistrationsAsync(agent, cluster);
        var memory = await ClientAsync(agent, ConsulCluster.Services, 0);
        var idle = await ClientAsync(agent, IdleServices, IdleMinutes);
        return new JsonObject
        {
            ["consul"] = version.ToString(),
            ["services"] = ConsulCluster.Services,
            ["endpoints"] = ConsulCluster.Services * ConsulCluster.InstancesEach,
            ["filled_s"] = Math.Round(filled.TotalSeconds, 1),
            ["registration"] = seen,
            ["memory"] = memory,
            ["idle"] = idle,
        };
    }

    private static async Task<JsonObject> MeasureRegistrationsAsync(Uri agent, ConsulCluster cluster)
    {
        const int Service = ConsulCluster.Services / 2;
        var audience = new Audience(Clients);
        await audience.StartAsync(agent, ConsulCluster.Name(Service), ConsulCluster.InstancesEach);
        var (wrote, first, last) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < WarmUps + Rounds; round++)
        {
            await Task.Delay(s_rest, TimeProvider.System);
            var seen = audience.Await(ConsulCluster.InstancesEach + 1);
            var start = Stopwatch.GetTimestamp();
            await cluster.RegisterAsync(Service, ConsulCluster.InstancesEach);
            var written = Stopwatch.GetElapsedTime(start);
            var times = await seen;
            if (round >= WarmUps)
            {
                wrote.Add(written.TotalMilliseconds);
                first.Add(Stopwatch.GetElapsedTime(start, times.Min()).TotalMilliseconds);
                last.Add(Stopwatch.GetElapsedTime(start, times.Max()).TotalMilliseconds);
            }

            await Task.Delay(s_rest, TimeProvider.System);
            var gone = audience.Await(ConsulCluster.InstancesEach);
            await cluster.DeregisterAsync(Service, ConsulCluster.InstancesEach);
            await gone;
        }

        await audience.DisposeAsync();
        return new JsonObject
        {
            ["clients"] = Clients,
            ["rounds"] = Rounds,
            ["written_ms"] = Summary(wrote),
            ["first_client_ms"] = Summary(first),
            ["last_client_ms"] = Summary(last),
        };
    }

    private static JsonObject Summary(List<double> values) => new()
    {
        ["median"] = Math.Round(PipelineCommand.Median(values), 1),
        ["max"] = Math.Round(values.Max(), 1),
    };

    /// <summary>A client as a process of its own, so that nothing else is in the figures.</summary>
    private static async Task<JsonNode> ClientAsync(Uri agent, int services, int minutes)
    {
        using var process = SelfProcess.Start("consul-client", $"{agent}", $"{services}", $"{minutes}");
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? JsonNode.Parse(output)!
            : throw new InvalidOperationException($"The client ended with {process.ExitCode}.");
    }

    private static string Root()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Mesh.Library.sln")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName
            ?? throw new LauncherException("There is no eng/get-consul.sh: run this from a clone of the repository.");
    }
}
