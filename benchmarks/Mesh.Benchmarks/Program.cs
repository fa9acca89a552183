using BenchmarkDotNet.Running;
using Mesh.Benchmarks;
using Mesh.Benchmarks.Consul;
using Mesh.Benchmarks.Security;
using Mesh.Benchmarks.Simulation;
using Mesh.Discovery;

// Verbs print one JSON object and need no further arguments; everything else goes to BenchmarkDotNet.
switch (args)
{
    case ["pick", .. var rest]:
        return PickCommand.Run(rest);
    case ["snapshot", ..]:
        return SnapshotCommand.Run();
    case ["pipeline", ..]:
        return await PipelineCommand.RunAsync();
    case ["load", ..]:
        return await LoadCommand.RunAsync();
    case ["load-server", var certificates]:
        return await LoadServer.RunAsync(certificates);
    case ["handshakes", ..]:
        return await HandshakesCommand.RunAsync();
    case ["startup", ..]:
        return await StartupCommand.RunAsync();
    case ["startup-server", var kind]:
        return await StartupCommand.RunServerAsync(kind);
    case ["overload", ..]:
        return await OverloadCommand.RunAsync();
    case ["overload-server", var mode]:
        return await OverloadServer.RunAsync(Enum.Parse<AdaptiveConcurrencyMode>(mode));
    case ["consul", ..]:
        return await ConsulCommand.RunAsync();
    case ["consul-client", var address, var services, var minutes]:
        return await ConsulClientProcess.RunAsync(new Uri(address), int.Parse(services), int.Parse(minutes));
    case ["simulate", .. var rest]:
        return await SimulateCommand.RunAsync(rest);
    case [LiveServer.Verb, var endpoints, var seed]:
        return await LiveServer.RunAsync(int.Parse(endpoints), int.Parse(seed));
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        return 0;
}
