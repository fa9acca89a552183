using System.Net;
using System.Net.Sockets;

namespace Mesh.IntegrationTests.Docs;

/// <summary>The sample of the README runs and does what the README says.</summary>
public sealed class QuickstartTests
{
    private const int Calls = 400;

    [Fact]
    public async Task Quickstart_CalledByName_SplitsByWeight()
    {
        var cancel = TestContext.Current.CancellationToken;
        var (v1, v2) = FreePorts();
        await using var sample = ChildProcess.Start(
            Repository.Program("Quickstart"),
            [
                $"--urls=http://127.0.0.1:{v1};http://127.0.0.1:{v2}",
                $"--Mesh:Services:greeter:Endpoints:0:Address=http://127.0.0.1:{v1}",
                $"--Mesh:Services:greeter:Endpoints:1:Address=http://127.0.0.1:{v2}",
            ],
            workingDirectory: Repository.At("samples", "Quickstart"));
        await sample.WaitForLineAsync("Application started", cancel);

        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{v1}") };
        var answers = new Dictionary<string, int>();
        for (var call = 0; call < Calls; call++)
        {
            var answer = await client.GetStringAsync("/", cancel);
            answers[answer] = answers.GetValueOrDefault(answer) + 1;
        }

        // Five standard deviations of a binomial share: less than one false alarm in a million.
        var tolerance = 5 * Math.Sqrt(0.75 * 0.25 / Calls);
        Assert.Equal(Calls, answers.Values.Sum());
        Assert.InRange(answers[$"Hello from port {v1}\n"] / (double)Calls, 0.75 - tolerance, 0.75 + tolerance);
        Assert.Equal(2, answers.Count);
    }

    private static (int First, int Second) FreePorts()
    {
        using var first = new TcpListener(IPAddress.Loopback, 0);
        using var second = new TcpListener(IPAddress.Loopback, 0);
        first.Start();
        second.Start();
        return (((IPEndPoint)first.LocalEndpoint).Port, ((IPEndPoint)second.LocalEndpoint).Port);
    }
}
