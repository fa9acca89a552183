using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Bookinfo.Launcher;

/// <summary>The options, their limits, and the text of <c>--help</c>.</summary>
internal static class CommandLine
{
    /// <summary>Requests per second of a demo without an end: enough to see, and no burden for a laptop.</summary>
    private const double DefaultRate = 200;

    public static Task<int> InvokeAsync(string[] args)
    {
        var configuration = new InvocationConfiguration
        {
            // Signals are the host's: stopping a dozen processes takes longer than the two seconds granted here.
            ProcessTerminationTimeout = null,
            EnableDefaultExceptionHandler = false,
        };
        return Build(static (options, cancel) => new Demo(options).RunAsync(cancel))
            .Parse(args)
            .InvokeAsync(configuration);
    }

    /// <summary>The command, for an action that takes the options.</summary>
    internal static RootCommand Build(Func<LauncherOptions, CancellationToken, Task<int>> run)
    {
        var requests = new Option<long?>("--requests")
        {
            Description = "Ask for that many pages, report, and stop. Without it: until Ctrl-C.",
            HelpName = "N",
            CustomParser = static result => WholeNumber(result, 1, long.MaxValue),
        };
        var json = new Option<bool>("--json")
        {
            Description = "With --requests: print one JSON object on standard output and nothing else there.",
        };
        var headers = new Option<KeyValuePair<string, string>[]>("--header")
        {
            Description = "Add a header to each request, for example end-user=jason. Repeatable.",
            HelpName = "name=value",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = ParseHeaders,
        };
        var replicas = new Option<int>("--replicas")
        {
            Description = "Processes of each service version.",
            HelpName = "N",
            DefaultValueFactory = static _ => 1,
            CustomParser = static result => (int)WholeNumber(result, 1, 16),
        };
        var concurrency = new Option<int>("--concurrency")
        {
            Description = "Requests in flight.",
            HelpName = "N",
            DefaultValueFactory = static _ => 16,
            CustomParser = static result => (int)WholeNumber(result, 1, 1024),
        };
        var rate = new Option<double?>("--rate")
        {
            Description = $"Requests per second at most. Default: {DefaultRate}, and with --requests no limit.",
            HelpName = "N",
            CustomParser = static result => WholeNumber(result, 1, 1_000_000),
        };
        var port = new Option<int>("--port")
        {
            Description = "The product page's port; 0 for any. If another program has it, a free one is taken.",
            HelpName = "P",
            DefaultValueFactory = static _ => 9080,
            CustomParser = static result => (int)WholeNumber(result, 0, 65535),
        };
        var kill = new Option<string?>("--kill")
        {
            Description = "Kill (SIGKILL) one process of this service in the middle of the run.",
            HelpName = "service",
        };
        kill.Validators.Add(result =>
        {
            if (result.GetValue(kill) is { } name && !ServiceDefinition.All.Any(service => service.IsNamed(name)))
            {
                result.AddError($"--kill: there is no service '{name}'; it can be {ServiceDefinition.AllNames}.");
            }
        });
        var rollingRestart = new Option<bool>("--rolling-restart")
        {
            Description = "Restart all service processes (SIGTERM), one by one, during the run.",
        };
        var rules = new Option<string?>("--rules")
        {
            Description = "Read the rules (*.yaml) from this directory and not from samples/Bookinfo/mesh.",
            HelpName = "directory",
        };
        rules.Validators.Add(result =>
        {
            if (result.GetValue(rules) is { } directory && !Directory.Exists(directory))
            {
                result.AddError($"--rules: there is no directory '{directory}'.");
            }
        });
        var consul = new Option<bool>("--consul")
        {
            Description = "Register the services in Consul and put the rules there. The agent is that of "
                + "CONSUL_HTTP_ADDR or 127.0.0.1:8500; if none answers, one in development mode is started.",
        };
        var mtls = new Option<bool>("--mtls")
        {
            Description = "The services prove who they are and take no plaintext (only the product page does): samples/Bookinfo/mesh-mtls. "
                + "Certificates come from a development authority made for the run, with --consul from Consul's.",
        };
        var capture = new Option<string?>("--capture")
        {
            Description = "Write down every byte on the wire between the processes, in files in this directory.",
            HelpName = "directory",
        };

        var command = new RootCommand("Bookinfo on a mesh without proxies: six services, six processes, one line each.")
        {
            requests, json, headers, replicas, concurrency, rate, port, kill, rollingRestart, rules,
            consul, mtls, capture,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(json) && result.GetResult(requests) is null)
            {
                result.AddError("--json needs --requests N.");
            }
        });
        command.SetAction((parsed, cancel) => run(
            new LauncherOptions
            {
                Requests = parsed.GetValue(requests),
                Json = parsed.GetValue(json),
                Headers = parsed.GetValue(headers) ?? [],
                Replicas = parsed.GetValue(replicas),
                Concurrency = parsed.GetValue(concurrency),
                Rate = parsed.GetValue(rate) ?? (parsed.GetValue(requests) is null ? DefaultRate : null),
                Port = parsed.GetValue(port),
                Kill = parsed.GetValue(kill),
                RollingRestart = parsed.GetValue(rollingRestart),
                Rules = parsed.GetValue(rules) is { } directory ? Path.GetFullPath(directory) : null,
                Consul = parsed.GetValue(consul),
                Mtls = parsed.GetValue(mtls),
                Capture = parsed.GetValue(capture) is { } wire ? Path.GetFullPath(wire) : null,
            },
            cancel));
        return command;
    }

    private static KeyValuePair<string, string>[]? ParseHeaders(ArgumentResult result)
    {
        var headers = new List<KeyValuePair<string, string>>();
        foreach (var token in result.Tokens)
        {
            var equals = token.Value.IndexOf('=');
            if (equals <= 0)
            {
                result.AddError($"--header: '{token.Value}' is not of the form name=value.");
                return null;
            }

            headers.Add(new(token.Value[..equals].Trim(), token.Value[(equals + 1)..].Trim()));
        }

        return [.. headers];
    }

    private static long WholeNumber(ArgumentResult result, long minimum, long maximum)
    {
        var text = result.Tokens.Count > 0 ? result.Tokens[^1].Value : "";
        if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number >= minimum && number <= maximum)
        {
            return number;
        }

        var range = maximum == long.MaxValue ? $"of at least {minimum}" : $"from {minimum} to {maximum}";
        var name = (result.Parent as OptionResult)?.Option.Name;
        result.AddError($"{name}: '{text}' is not a whole number {range}.");
        return minimum;
    }
}
