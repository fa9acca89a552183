using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Mesh.Client.Pipeline;
using Mesh.Discovery;

namespace Mesh.Benchmarks;

/// <summary>
/// <c>overload --json</c>: how much of its capacity a server turns into answers in time when it gets once, twice and four
/// times as many requests as it can serve, without and with a limit that finds itself.
/// </summary>
/// <remarks>
/// The load is open: requests come at random times, whether others are answered or not, as users do. The server's work
/// costs no processor time, so its capacity is the same on a busy machine; it is measured first. A fifth of the requests is
/// critical and a fifth sheddable. Servers take turns, and each load begins with some seconds that do not count.
/// </remarks>
internal static class OverloadCommand
{
    private const int Rounds = 3;
    private static readonly int[] s_loads = [1, 2, 4];
    private static readonly string[] s_priorities = ["critical", "default", "sheddable"];
    private static readonly TimeSpan s_timeout = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(6);

    public static async Task<int> RunAsync()
    {
        var servers = new Dictionary<string, Process>
        {
            ["without"] = Start(AdaptiveConcurrencyMode.Off),
            ["limited"] = Start(AdaptiveConcurrencyMode.Enforce),
        };
        try
        {
            var clients = new Dictionary<string, HttpMessageInvoker>();
            foreach (var (name, server) in servers)
            {
                clients[name] = CreateClient((await server.StandardOutput.ReadLineAsync())!);
            }

            Console.WriteLine((await MeasureAsync(clients)).ToJsonString());
            return 0;
        }
        finally
        {
            foreach (var server in servers.Values)
            {
                server.StandardInput.Close();
                await server.WaitForExitAsync();
                server.Dispose();
            }
        }
    }

    private static async Task<JsonObject> MeasureAsync(Dictionary<string, HttpMessageInvoker> clients)
    {
        var capacity = await CapacityAsync(clients["without"]);
        var json = new JsonObject
        {
            ["workers"] = OverloadServer.Workers,
            ["service_ms"] = OverloadServer.ServiceTime.TotalMilliseconds,
            ["timeout_ms"] = s_timeout.TotalMilliseconds,
            ["capacity_rps"] = Math.Round(capacity),
        };
        foreach (var load in s_loads)
        {
            var rounds = clients.Keys.ToDictionary(static name => name, static _ => new List<Round>());
            for (var round = 0; round < Rounds; round++)
            {
                foreach (var (name, client) in clients)
                {
                    await RunAsync(client, capacity * load, s_warmUp, seed: 100 + round);
                    rounds[name].Add(await RunAsync(client, capacity * load, s_round, seed: round));
                }
            }

            foreach (var (name, results) in rounds)
            {
                json[$"{name}_{load}x"] = Describe(results, capacity);
            }
        }

        return json;
    }

    private static JsonObject Describe(List<Round> rounds, double capacity)
    {
        var good = new JsonObject();
        for (var priority = 0; priority < s_priorities.Length; priority++)
        {
            good[s_priorities[priority]] = Median(round => round.Share(priority));
        }

        return new JsonObject
        {
            ["goodput"] = Median(round => round.Good / s_round.TotalSeconds / capacity),
            ["accepted_p99_ms"] = Median(static round => round.P99),
            ["refused"] = Median(static round => (double)round.Refused / round.Calls),
            ["late"] = Median(static round => (double)round.Late / round.Calls),
            ["answered"] = good,
        };

        double Median(Func<Round, double> value) => Math.Round(PipelineCommand.Median(rounds.Select(value)), 3);
    }

    /// <summary>As many callers as workers, one request after the other.</summary>
    private static async Task<double> CapacityAsync(HttpMessageInvoker client)
    {
        var served = 0;
        foreach (var time in (TimeSpan[])[TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(5)])
        {
            served = 0;
            var watch = Stopwatch.StartNew();
            await Task.WhenAll(Enumerable.Range(0, OverloadServer.Workers + 2).Select(async _ =>
            {
                while (watch.Elapsed < time)
                {
                    await SendAsync(client, 1, CancellationToken.None);
                    Interlocked.Increment(ref served);
                }
            }));
        }

        return served / 5.0;
    }

    private static async Task<Round> RunAsync(HttpMessageInvoker client, double rate, TimeSpan time, int seed)
    {
        var random = new Random(seed);
        var result = new Round();
        var calls = new List<Task>((int)(rate * time.TotalSeconds * 1.1));
        var watch = Stopwatch.StartNew();
        var next = 0.0;
        while (next < time.TotalSeconds)
        {
            while (next <= watch.Elapsed.TotalSeconds && next < time.TotalSeconds)
            {
                var draw = random.NextDouble();
                calls.Add(CallAsync(client, draw < 0.2 ? 0 : draw < 0.8 ? 1 : 2, result));
                next -= Math.Log(1 - random.NextDouble()) / rate;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System);
        }

        await Task.WhenAll(calls);
        return result;
    }

    private static async Task CallAsync(HttpMessageInvoker client, int priority, Round round)
    {
        await Task.Yield();
        using var timeout = new CancellationTokenSource(s_timeout);
        var start = Stopwatch.GetTimestamp();
        try
        {
            var isServed = await SendAsync(client, priority, timeout.Token);
            round.Add(priority, isServed, isServed ? Stopwatch.GetElapsedTime(start) : null);
        }
        catch (Exception e) when (e is OperationCanceledException or HttpRequestException)
        {
            round.Add(priority, false, s_timeout);
        }
    }

    private static async Task<bool> SendAsync(HttpMessageInvoker client, int priority, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://overloaded/")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TryAddWithoutValidation(PriorityHeader.Name, s_priorities[priority]);
        if (cancel.CanBeCanceled)
        {
            request.Headers.TryAddWithoutValidation(
                DeadlineHeaders.ExpectedTimeout, s_timeout.TotalMilliseconds.ToString(CultureInfo.InvariantCulture));
        }

        using var response = await client.SendAsync(request, cancel);
        await response.Content.CopyToAsync(Stream.Null, cancel);
        return response.StatusCode == HttpStatusCode.OK;
    }

    private static HttpMessageInvoker CreateClient(string address)
    {
        var uri = new Uri(address);
        return new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            EnableMultipleHttp2Connections = true,
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(uri.Host, uri.Port, cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
    }

    private static Process Start(AdaptiveConcurrencyMode mode) =>
        SelfProcess.Start("overload-server", mode.ToString());

    /// <summary>What became of the requests of one round.</summary>
    private sealed class Round
    {
        private readonly List<double> _latencies = [];
        private readonly int[] _calls = new int[s_priorities.Length];
        private readonly int[] _good = new int[s_priorities.Length];

        public int Calls => _calls.Sum();

        public int Good => _good.Sum();

        public int Refused { get; private set; }

        public int Late => Calls - Good - Refused;

        /// <summary>Of what was let in, in milliseconds; what came too late counts with the timeout.</summary>
        public double P99 => _latencies.Count == 0 ? double.NaN : _latencies.Order().ElementAt((int)(_latencies.Count * 0.99));

        public double Share(int priority) => (double)_good[priority] / _calls[priority];

        /// <param name="priority">Its priority.</param>
        /// <param name="isGood">Whether it was served in time.</param>
        /// <param name="latency">How long it took; null if it was refused.</param>
        public void Add(int priority, bool isGood, TimeSpan? latency)
        {
            lock (_latencies)
            {
                _calls[priority]++;
                _good[priority] += isGood ? 1 : 0;
                if (latency is { } time)
                {
                    _latencies.Add(time.TotalMilliseconds);
                }
                else
                {
                    Refused++;
                }
            }
        }
    }
}
