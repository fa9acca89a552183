using CsCheck;
using Mesh.Discovery.Security.Authorization;
using static Mesh.Discovery.Tests.Security.Authorization.Policies;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>What is written to get past a rule: what denies needs one reading, what allows needs all.</summary>
public sealed class PathTrickTests
{
    public static readonly TheoryData<string> Tricks =
    [
        "/admin", "/admin/", "/ADMIN", "/Admin/", "//admin", "///admin//", "/./admin", "/x/../admin", "/admin/.", "/admin/x/..",
        "/%61dmin", "/%41DMIN", "/adm%69n", "/%2e/admin", "/x/%2e%2e/admin", "/x/.%2E/admin", "/x/%2e./admin",
        "/admin%2f", "/%2fadmin", "/x/..%2fadmin", "/x%2f..%2fadmin", "/x/%2e%2e%2fadmin",
        "/%252e/admin", "/x/%252e%252e/admin", "/%2561dmin", "/%252561dmin", "/x%252f..%252fadmin",
        "/admin;x=1", "/admin;", "/;x/admin", "/x/..;/admin", "/admin;/", "/x;y/../admin",
        "/\\admin", "\\admin", "/x\\..\\admin", "/%5cadmin", "/x/..%5cadmin", "/admin\\", "/admin%5c",
        "/admin#x", "/admin?x", "/admin/?/../x", "http://other/admin", "http://other/x/../%61dmin",
    ];

    [Theory]
    [MemberData(nameof(Tricks))]
    public void Deny_MangledPath_IsDeniedInEveryMode(string target)
    {
        Assert.All(Enum.GetValues<PathNormalization>(), mode =>
        {
            Assert.True(Denies("paths: [ /admin ]", target, mode), $"exact, {mode}");
            Assert.True(Denies("paths: [ /admin* ]", target, mode), $"prefix, {mode}");
            Assert.True(Denies("paths: [ \"*/admin\" ]", target, mode), $"suffix, {mode}");
            Assert.True(Denies("paths: [ \"/{*}\" ]", target, mode), $"template, {mode}");
            Assert.True(Denies("paths: [ /admin/* ]", target, mode), $"below, {mode}");
            Assert.True(Denies("notPaths: [ /public* ]", target, mode), $"not-form, {mode}");
        });
    }

    [Theory]
    [MemberData(nameof(Tricks))]
    public void AllowWithNotPaths_MangledPath_IsNotAllowedInAnyMode(string target) =>
        Assert.All(Enum.GetValues<PathNormalization>(), mode =>
            Assert.False(Matches("ALLOW", "to: [ { operation: { notPaths: [ /admin, /admin/* ] } } ]", Of(target, mode))));

    [Theory]
    [InlineData("/public/../admin")]
    [InlineData("/public/..%2fadmin")]
    [InlineData("/public/%2e%2e/admin")]
    [InlineData("/public/%252e%252e/admin")]
    [InlineData("/public/..;/admin")]
    [InlineData("/public\\..\\admin")]
    [InlineData("/public/..%5cadmin")]
    [InlineData("/public%2f..%2fadmin")]
    [InlineData("/public/..%252fadmin")]
    [InlineData("/PUBLIC/a")]
    [InlineData("/Public/a")]
    [InlineData("//public/a")]
    [InlineData("/%50ublic/a")]
    public void Allow_PathThatSomebodyReadsOtherwise_IsNotAllowed(string target) =>
        Assert.All(Enum.GetValues<PathNormalization>(), mode =>
            Assert.False(Matches("ALLOW", "to: [ { operation: { paths: [ /public/* ] } } ]", Of(target, mode))));

    [Theory]
    [InlineData("/public/a")]
    [InlineData("/public/a%20b")]
    [InlineData("/public/a%2Fb")]
    [InlineData("/public/a;v=1/b")]
    [InlineData("/public/./a")]
    [InlineData("/public/x/../a")]
    [InlineData("/public/%c3%a4")]
    [InlineData("/%70ublic/a")]
    [InlineData("/public/a?x=/../../admin")]
    public void Allow_PathThatAllReadAlike_IsAllowed(string target) =>
        Assert.True(Matches("ALLOW", "to: [ { operation: { paths: [ /public/* ] } } ]", Of(target, PathNormalization.Base)));

    [Theory]
    [InlineData("/a//b", PathNormalization.Base, "/a//b")]
    [InlineData("/a//b", PathNormalization.MergeSlashes, "/a/b")]
    [InlineData("/a/../b", PathNormalization.None, "/a/../b")]
    [InlineData("/a/../b", PathNormalization.Base, "/b")]
    [InlineData("/a/b/..", PathNormalization.Base, "/a/")]
    [InlineData("/../..", PathNormalization.Base, "/")]
    [InlineData("/%61%7e%20", PathNormalization.Base, "/a~%20")]
    [InlineData("/a\\b", PathNormalization.Base, "/a/b")]
    [InlineData("/a%2fb", PathNormalization.MergeSlashes, "/a%2fb")]
    [InlineData("/a%2fb%5Cc", PathNormalization.DecodeAndMergeSlashes, "/a/b/c")]
    [InlineData("/a/..%2fb", PathNormalization.DecodeAndMergeSlashes, "/b")]
    [InlineData("/%zz%4", PathNormalization.Base, "/%zz%4")]
    public void Normalize_OfTable_IsAsInIstio(string path, PathNormalization mode, string expected) =>
        Assert.Equal(expected, PathReadings.Normalize(path, mode));

    [Theory]
    [InlineData("/")]
    [InlineData("/a/b.c?x=%20;//")]
    [InlineData("/a/b/")]
    [InlineData("/a..b/c.")]
    public void Create_SimplePath_HasOneReadingAndNoCost(string target)
    {
        var path = target.Split('?')[0];
        var readings = PathReadings.Create(target, path, PathNormalization.Base);

        Assert.Equal(1, readings.Count);
        Assert.Same(path, readings.Normal);
    }

    [Fact]
    public void Create_ApplicationSeesAnotherPath_IsAReading()
    {
        var readings = PathReadings.Create("/a", "/base/a", PathNormalization.Base);

        Assert.Equal(("/a", "/base/a", "/a"), (readings.Normal, readings.Application!, readings.Lenient!));
    }

    [Fact]
    public void Deny_AnythingThatReachesAdmin_IsDenied()
    {
        var deny = Compile("action: DENY\nrules: [ { to: [ { operation: { paths: [ /admin* ] } } ] } ]");
        string[] separators = ["/", "//", "/./", "/x/../", "/%2e/", "/x/%2E%2e/", "/x/y/../../", "/;a/", "/x;a/../"];
        string[] tails = ["", "/", "/users", "//users", "/users;a=1", "?a=/b", "/%75sers", "/.", "\\"];
        Gen.Select(Gen.Int[0, separators.Length - 1], Gen.Int[0, 5].Array[5], Gen.Int[0, tails.Length - 1], Gen.Int[0, 3]).Sample((before, how, after, mode) =>
        {
            var name = string.Concat("admin".Zip(how, static (c, h) => h switch
            {
                0 => $"%{(int)c:x2}",
                1 => $"%{(int)char.ToUpperInvariant(c):X2}",
                2 => char.ToUpperInvariant(c).ToString(),
                3 => $"%25{(int)c:x2}",
                _ => c.ToString(),
            }));
            var target = separators[before] + name + tails[after];
            var request = Of(target, (PathNormalization)mode);
            var routed = Kestrel.PathOf(target);

            // What the application's router would take for /admin or something below it.
            var reaches = routed.TrimEnd('/').Equals("/admin", StringComparison.OrdinalIgnoreCase)
                || routed.StartsWith("/admin/", StringComparison.OrdinalIgnoreCase);
            return !reaches || !deny.Decide(in request).IsAllowed;
        });
    }

    private static RequestFacts Of(string target, PathNormalization mode) =>
        Request(target, application: Application(target), mode: mode);

    /// <summary>Kestrel takes the path out of a whole URI by way of the Uri class.</summary>
    private static string Application(string target) =>
        target.StartsWith("http:", StringComparison.Ordinal) ? new Uri(target).LocalPath : Kestrel.PathOf(target);

    private static bool Denies(string operation, string target, PathNormalization mode) =>
        Matches("DENY", $"to: [ {{ operation: {{ {operation} }} }} ]", Of(target, mode));
}
