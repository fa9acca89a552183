using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Tests.Routing;

public class HeaderOperationsTests
{
    [Fact]
    public void Apply_AllThree_RemoveThenSetThenAdd()
    {
        var request = Rule.Request().With("x", "old").With("y", "old").With("z", "old").With("gone", "1", "2");

        Apply(request, new HeaderOperationsConfig
        {
            Remove = ["X", "gone", "never"],
            Set = [new("x", "set"), new("y", "set")],
            Add = [new("x", "add"), new("z", "add"), new("new", "add")],
        });

        Assert.Equal("gone:-;new:add;x:set|add;y:set;z:old|add", Show(request, "gone", "new", "x", "y", "z"));
    }

    [Fact]
    public void Apply_ContentHeaders_AreChangedOnTheContent()
    {
        var request = Rule.Request(method: "POST");
        request.Content = new StringContent("{}");
        request.Content.Headers.TryAddWithoutValidation("Content-Language", "de");

        Apply(request, new HeaderOperationsConfig
        {
            Remove = ["content-language"],
            Set = [new("content-type", "application/json")],
            Add = [new("Content-Encoding", "br")],
        });

        Assert.False(request.Content.Headers.Contains("Content-Language"));
        Assert.Equal("application/json", request.Content.Headers.ContentType!.ToString());
        Assert.Equal("br", Assert.Single(request.Content.Headers.ContentEncoding));
    }

    [Fact]
    public void Apply_ContentHeaderWithoutContent_ChangesNothing()
    {
        var request = Rule.Request();

        Apply(request, new HeaderOperationsConfig { Remove = ["Content-Type"], Set = [new("Content-Type", "text/plain")] });

        Assert.Empty(request.Headers.NonValidated);
    }

    [Theory]
    [InlineData("Host", true)]
    [InlineData("host", false)]
    public void Apply_Authority_ThereIsOnlyOneHost(string name, bool add)
    {
        var request = Rule.Request();
        request.Headers.Host = "old";
        KeyValuePair<string, string>[] pairs = [new(name, "shop:81")];

        Apply(request, add ? new HeaderOperationsConfig { Add = pairs } : new HeaderOperationsConfig { Set = pairs });

        Assert.Equal("shop:81", request.Headers.Host);
    }

    [Fact]
    public void Apply_Response_BothCollections()
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation("Server", "secret");
        response.Content = new StringContent("");

        HeaderOperations.Create(new HeaderOperationsConfig
        {
            Remove = ["server"],
            Set = [new("Content-Type", "text/html"), new("x", "1")],
        })!.Apply(response);

        Assert.False(response.Headers.Contains("Server"));
        Assert.Equal("text/html", response.Content.Headers.ContentType!.ToString());
        Assert.Equal("1", Assert.Single(response.Headers.GetValues("x")));
    }

    [Fact]
    public void Create_NothingToDo_IsNull()
    {
        Assert.Null(HeaderOperations.Create(null));
        Assert.Null(HeaderOperations.Create(HeaderOperationsConfig.None));
    }

    private static void Apply(HttpRequestMessage request, HeaderOperationsConfig config) => HeaderOperations.Create(config)!.Apply(request);

    private static string Show(HttpRequestMessage request, params string[] names) => string.Join(';', names.Select(name =>
        $"{name}:{(request.Headers.TryGetValues(name, out var values) ? string.Join('|', values) : "-")}"));
}
