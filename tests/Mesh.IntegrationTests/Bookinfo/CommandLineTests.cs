using System.CommandLine;
using Bookinfo.Launcher;

namespace Mesh.IntegrationTests.Bookinfo;

public sealed class CommandLineTests
{
    [Fact]
    public async Task Parse_Nothing_GivesDefaults()
    {
        var options = await ParseAsync();

        Assert.Null(options.Requests);
        Assert.False(options.Json);
        Assert.Empty(options.Headers);
        Assert.Equal((1, 16, 9080, 200.0), (options.Replicas, options.Concurrency, options.Port, options.Rate));
        Assert.Null(options.Kill);
        Assert.False(options.RollingRestart);
        Assert.Null(options.Rules);
        Assert.False(options.Consul);
    }

    [Fact]
    public async Task Parse_Everything_GivesEverything()
    {
        var options = await ParseAsync(
            "--requests", "10", "--json", "--header", "end-user=jason", "--header", "a=b=c", "--replicas", "2",
            "--concurrency", "4", "--rate", "50", "--port", "0", "--kill", "reviews",
            "--rolling-restart", "--rules", ".", "--consul");

        Assert.Equal(10, options.Requests);
        Assert.True(options.Json);
        Assert.Equal([new("end-user", "jason"), new("a", "b=c")], options.Headers);
        Assert.Equal((2, 4, 0, 50.0), (options.Replicas, options.Concurrency, options.Port, options.Rate));
        Assert.Equal("reviews", options.Kill);
        Assert.True(options.RollingRestart);
        Assert.True(options.Consul);
        Assert.Equal(Directory.GetCurrentDirectory(), Path.TrimEndingDirectorySeparator(options.Rules!));
    }

    [Fact]
    public async Task Parse_RequestsWithoutRate_IsNotLimited() =>
        Assert.Null((await ParseAsync("--requests", "10")).Rate);

    [Theory]
    [InlineData("--requests: '0' is not a whole number of at least 1.", "--requests", "0")]
    [InlineData("--requests: 'many' is not a whole number of at least 1.", "--requests", "many")]
    [InlineData("--json needs --requests N.", "--json")]
    [InlineData("--replicas: '17' is not a whole number from 1 to 16.", "--replicas", "17")]
    [InlineData("--concurrency: '0' is not a whole number from 1 to 1024.", "--concurrency", "0")]
    [InlineData("--port: '65536' is not a whole number from 0 to 65535.", "--port", "65536")]
    [InlineData("--rate: '0' is not a whole number from 1 to 1000000.", "--rate", "0")]
    [InlineData("--header: 'jason' is not of the form name=value.", "--header", "jason")]
    [InlineData("--rules: there is no directory '/nowhere/at/all'.", "--rules", "/nowhere/at/all")]
    [InlineData("it can be productpage, details, reviews, reviews-v1,", "--kill", "nobody")]
    public void Parse_BadValue_SaysWhatIsAllowed(string expected, params string[] args)
    {
        var errors = CommandLine.Build(static (_, _) => Task.FromResult(0)).Parse(args).Errors;

        Assert.Contains(errors, error => error.Message.Contains(expected));
    }

    [Fact]
    public void Parse_SeveralBadValues_ReportsAll()
    {
        var errors = CommandLine.Build(static (_, _) => Task.FromResult(0))
            .Parse(["--requests", "0", "--replicas", "0", "--kill", "nobody"]).Errors;

        Assert.Equal(3, errors.Count);
    }

    private static async Task<LauncherOptions> ParseAsync(params string[] args)
    {
        LauncherOptions? parsed = null;
        var command = CommandLine.Build((options, _) =>
        {
            parsed = options;
            return Task.FromResult(0);
        });

        var cancel = TestContext.Current.CancellationToken;
        Assert.Equal(0, await command.Parse(args).InvokeAsync(cancellationToken: cancel));
        return parsed!;
    }
}
