using Mesh.Client.LoadBalancing.Hashing;
using Mesh.Discovery.Rules;

namespace Mesh.Client.Tests.LoadBalancing.Hashing;

public sealed class HashKeyTests
{
    /// <summary>Pinned: processes of different versions of this library must agree where a key belongs.</summary>
    [Fact]
    public void Of_KnownText_NeverChanges()
    {
        Assert.Equal(12535046078144049214, Hash.Of("jason"));
        Assert.Equal(18282178921258502647, Hash.Of("jason", seed: 1));
    }

    [Fact]
    public void Header_SeveralValues_OrderDoesNotMatter()
    {
        var key = new HeaderHashKey("x-user");

        Assert.Equal(Of(key, ("X-User", "a"), ("X-User", "b")), Of(key, ("X-User", "b"), ("X-User", "a")));
        Assert.NotEqual(Of(key, ("X-User", "a")), Of(key, ("X-User", "b")));
        Assert.Null(Of(key, ("X-User", "")));
        Assert.Null(Of(key, ("X-Other", "a")));
    }

    [Fact]
    public void Header_ContentHeader_IsFound()
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "http://a/") { Content = new StringContent("x") };

        Assert.Equal(Hash.Of("text/plain; charset=utf-8"), Of(new HeaderHashKey("content-type"), request));
    }

    [Theory]
    [InlineData(":authority", "reviews:81")]
    [InlineData("Host", "reviews:81")]
    [InlineData(":METHOD", "GET")]
    [InlineData(":path", "/x?y=1")]
    [InlineData(":unknown", null)]
    public void Header_Pseudo_IsReadFromTheRequest(string name, string? value)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://reviews:81/x?y=1");

        Assert.Equal(value is null ? null : Hash.Of(value), Of(new HeaderHashKey(name), request));
    }

    [Theory]
    [InlineData("/p?user=jason", "jason")]
    [InlineData("/p?a=1&user=jason&user=other", "jason")]
    [InlineData("/p?user=ja%73on", "jason")]
    [InlineData("/p?us%65r=jason", "jason")]
    [InlineData("/p?user=a+b", "a b")]
    [InlineData("/p?user=a%20b", "a b")]
    [InlineData("/p?user=a%2Bb", "a+b")]
    [InlineData("/p?user=%C3%BC%26", "ü&")]
    [InlineData("/p?user=100%", "100%")]
    [InlineData("/p?user=x=y", "x=y")]
    [InlineData("/p?user=jason#user=fragment", "jason")]
    [InlineData("/p?User=jason", null)]
    [InlineData("/p?user=", null)]
    [InlineData("/p?user", null)]
    [InlineData("/p?", null)]
    [InlineData("/p", null)]
    public void Query_AnySpelling_IsTheDecodedValue(string path, string? value) =>
        Assert.Equal(
            value is null ? null : Hash.Of(value),
            Of(new QueryHashKey("user"), new HttpRequestMessage(HttpMethod.Get, "http://reviews" + path)));

    [Fact]
    public void Query_VeryLongEscapedValue_IsDecoded() => Assert.Equal(
        Hash.Of(new string('ü', 1000)),
        Of(new QueryHashKey("u"), new HttpRequestMessage(
            HttpMethod.Get, $"http://a/?u={string.Concat(Enumerable.Repeat("%C3%BC", 1000))}")));

    [Fact]
    public void Query_RelativeOrNoUri_IsRead()
    {
        var key = new QueryHashKey("u");

        Assert.Equal(Hash.Of("1"), Of(key, new HttpRequestMessage(HttpMethod.Get, new Uri("/x?u=1", UriKind.Relative))));
        Assert.Null(Of(key, new HttpRequestMessage()));
    }

    [Theory]
    [InlineData("session=abc", "abc")]
    [InlineData("a=1; session=abc; b=2", "abc")]
    [InlineData("a=1;session=abc", "abc")]
    [InlineData("session=\"abc\"", "abc")]
    [InlineData("session=a=b", "a=b")]
    [InlineData("mysession=no; session=abc", "abc")]
    [InlineData("session2=no", null)]
    [InlineData("Session=no", null)]
    [InlineData("session=", null)]
    [InlineData("session", null)]
    public void Cookie_AnyHeader_IsTheValue(string header, string? value) => Assert.Equal(
        value is null ? null : Hash.Of(value), Of(Cookie(null, null), ("Cookie", header)));

    [Fact]
    public void Cookie_InSecondHeader_IsFound() =>
        Assert.Equal(Hash.Of("abc"), Of(Cookie(null, null), ("Cookie", "a=1"), ("Cookie", "session=abc")));

    [Theory]
    [InlineData(0, null, "; HttpOnly")]
    [InlineData(90, "/shop", "; Max-Age=90; Path=/shop; HttpOnly")]
    public void CreateAffinityCookie_NoCookie_MakesOneThatIsTheKey(int ttl, string? path, string attributes)
    {
        var key = Cookie(path, TimeSpan.FromSeconds(ttl));
        var request = new HttpRequestMessage(HttpMethod.Get, "http://a/");
        Assert.Null(Of(key, request));

        var cookie = key.CreateAffinityCookie(request);

        Assert.NotNull(cookie);
        Assert.Matches($"^session=[0-9a-f]{{16}}{attributes}$", cookie);
        Assert.Equal(Hash.Of(cookie.Split('=', ';')[1]), Of(key, request));
        Assert.Null(key.CreateAffinityCookie(request));
        Assert.NotEqual(cookie, key.CreateAffinityCookie(new HttpRequestMessage(HttpMethod.Get, "http://a/")));
    }

    [Fact]
    public void CreateAffinityCookie_NotWanted_IsNull()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://a/");
        Assert.Null(Cookie(null, null).CreateAffinityCookie(request));
        Assert.Null(new HeaderHashKey("x").CreateAffinityCookie(request));

        request.Headers.Add("Cookie", "session=abc");
        Assert.Null(Cookie(null, TimeSpan.FromSeconds(1)).CreateAffinityCookie(request));
    }

    [Fact]
    public void Create_NoKey_Throws() => Assert.Throws<ArgumentException>(
        () => HashKey.Create(new ConsistentHashConfig(), "10.0.0.1", new SeededRandom(1)));

    private static CookieHashKey Cookie(string? path, TimeSpan? ttl) =>
        new(new HashCookieConfig("session", path, ttl), new SeededRandom(1));

    private static ulong? Of(HashKey key, params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "http://a/");
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return Of(key, request);
    }

    private static ulong? Of(HashKey key, HttpRequestMessage request) =>
        key.TryHash(request, out var hash) ? hash : null;
}
