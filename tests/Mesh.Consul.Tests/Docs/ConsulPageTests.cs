using System.Text;
using System.Text.RegularExpressions;
using Mesh.Consul.Tests.Support;
using Mesh.Discovery;
using Mesh.Discovery.Consul;

namespace Mesh.Consul.Tests.Docs;

/// <summary>What docs/consul.md shows works as it stands there.</summary>
public sealed partial class ConsulPageTests
{
    [Fact]
    public async Task KeyOfThePage_PutAsShown_SteersCalls()
    {
        var put = KeyPut().Match(Page());
        Assert.True(put.Success);
        await using var agent = await ConsulAgent.StartAsync(cancel: TestContext.Current.CancellationToken);
        await using var v1 = await Instance.StartAsync("v1");
        await using var v2 = await Instance.StartAsync("v2");
        await agent.RegisterAsync("reviews", v1, "v1");
        await agent.RegisterAsync("reviews", v2, "v2");
        await agent.PutKeyAsync(put.Groups["key"].Value, put.Groups["text"].Value);
        await using var caller = await CallingProcess.StartAsync(agent.Address);

        var answers = new List<string>();
        for (var i = 0; i < 1000; i++)
        {
            answers.Add(await caller.GetAsync("http://reviews/"));
        }

        // Binomial, 1000 draws of 25 %: ten standard deviations are 137.
        Assert.InRange(answers.Count(static answer => answer == "v2"), 113, 387);
    }

    [Fact]
    public async Task ErrorOfThePage_IsWhatAWriterSees()
    {
        var shown = ErrorLine().Match(Page()).Value;
        var text = KeyPut().Match(Page()).Groups["text"].Value.Replace("Weight: 75", "Weight: -1", StringComparison.Ordinal);
        using var store = new ConsulRuleStore(new ConsulOptions { Address = new Uri("http://127.0.0.1:1") });

        var refused = await Assert.ThrowsAsync<MeshConfigurationException>(
            () => store.WriteAsync("reviews", text, cancel: TestContext.Current.CancellationToken));

        Assert.Contains(shown, refused.Message);
    }

    [Fact]
    public async Task CodeOfThePage_WritesOverWhatWasRead()
    {
        await using var agent = await ConsulAgent.StartAsync(cancel: TestContext.Current.CancellationToken);
        const string Text = "Routes: { reviews: [ { Route: [ { Subset: v1 } ] } ] }";
        await WriteAsync(Text, agent.Address);
        await WriteAsync(Text.Replace("v1", "v2"), agent.Address);

        var entry = (await agent.GetAsync("/v1/kv/mesh/config/reviews"))[0]!;
        Assert.Contains("v2", Encoding.UTF8.GetString(Convert.FromBase64String(entry["Value"]!.GetValue<string>())));
    }

    private static async Task WriteAsync(string text, Uri agent)
    {
        var options = new ConsulOptions { Address = agent };
        using var store = new ConsulRuleStore(options);

        var rule = await store.ReadAsync("reviews");
        await store.WriteAsync("reviews", text, rule?.Version ?? 0);      // only over what was read
    }

    private static string Page()
    {
        for (var directory = AppContext.BaseDirectory; directory is not null; directory = Path.GetDirectoryName(directory))
        {
            if (Path.Combine(directory, "docs", "consul.md") is var page && File.Exists(page))
            {
                return File.ReadAllText(page);
            }
        }

        throw new FileNotFoundException("docs/consul.md");
    }

    [GeneratedRegex(@"^consul kv put (?<key>\S+) - <<'END'\n(?<text>.*?)^END$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex KeyPut();

    [GeneratedRegex(@"^consul kv mesh/config/reviews:\d+: .*$", RegexOptions.Multiline)]
    private static partial Regex ErrorLine();
}
