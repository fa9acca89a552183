using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class RetryPolicyTests
{
    private const RetryConditions Unsent = RetryConditions.ConnectFailure | RetryConditions.RefusedStream;

    [Fact]
    public void Create_NoConfig_TheDefaultsOfTheProcess()
    {
        var policy = RetryPolicy.Create(null, 2, new IssueList());

        Assert.Equal(2, policy.Attempts);
        Assert.Equal(Unsent | RetryConditions.Reset | RetryConditions.StatusCodes, policy.Conditions);
        Assert.Equal([503], policy.Statuses);
        Assert.Null(policy.PerTryTimeout);
        Assert.False(policy.AnyMethod);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ")]
    public void Create_NoConditions_DefaultConditionsWithItsNumbers(string? retryOn)
    {
        var policy = RetryPolicy.Create(Config(retryOn), 7, new IssueList());

        Assert.Equal(RetryPolicy.Default(3) with { PerTryTimeout = TimeSpan.FromSeconds(1) }, policy);
    }

    [Theory]
    [InlineData("5xx", (int)(RetryConditions.ServerError | Unsent | RetryConditions.Reset))]
    [InlineData("gateway-error", (int)(RetryConditions.GatewayError | RetryConditions.ConnectFailure | RetryConditions.RefusedStream | RetryConditions.Reset))]
    [InlineData("reset", (int)(Unsent | RetryConditions.Reset))]
    [InlineData("reset-before-request", (int)Unsent)]
    [InlineData("connect-failure", (int)RetryConditions.ConnectFailure)]
    [InlineData("refused-stream", (int)RetryConditions.RefusedStream)]
    [InlineData("retriable-4xx", (int)RetryConditions.Retriable4xx)]
    [InlineData("retriable-status-codes,503", (int)RetryConditions.StatusCodes)]
    [InlineData("cancelled,deadline-exceeded,internal,resource-exhausted,unavailable", (int)RetryConditions.Grpc)]
    [InlineData(" 5XX , ,Connect-Failure", (int)(RetryConditions.ServerError | Unsent | RetryConditions.Reset))]
    public void Create_Words_BecomeConditionsForEveryMethod(string retryOn, int conditions)
    {
        var issues = new IssueList();
        var policy = RetryPolicy.Create(Config(retryOn), 2, issues);

        Assert.Empty(issues.Issues);
        Assert.Equal((RetryConditions)conditions, policy.Conditions);
        Assert.Equal((3, true), (policy.Attempts, policy.AnyMethod));
    }

    [Fact]
    public void Create_StatusCodes_AreKept() =>
        Assert.Equal([429, 503], RetryPolicy.Create(Config("429,503"), 2, new IssueList()).Statuses);

    [Theory]
    [InlineData("sometimes")]
    [InlineData("99")]
    [InlineData("600")]
    [InlineData("-1")]
    public void Create_UnknownWord_ErrorThatNamesTheKnown(string word)
    {
        var issues = new IssueList();

        RetryPolicy.Create(Config("5xx," + word), 2, issues);

        var issue = Assert.Single(issues.Issues);
        Assert.Equal("retries", issue.Location.Path);
        Assert.StartsWith($"retryOn '{word}' is not known; allowed are status codes and 5xx, gateway-error", issue.Message, StringComparison.Ordinal);
    }

    private static RetryConfig Config(string? retryOn) =>
        new() { Location = Rule.At("retries"), Attempts = 3, PerTryTimeout = TimeSpan.FromSeconds(1), RetryOn = retryOn };
}
