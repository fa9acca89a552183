namespace Bookinfo;

/// <summary>Who reads the page: the header <c>end-user</c>, or a browser's signed-in name. No security.</summary>
public static class Reader
{
    private const string HeaderName = "end-user";

    public static string? NameOf(HttpRequest request) =>
        request.Headers[HeaderName] is [{ Length: > 0 } name] ? name : request.Cookies[HeaderName];

    public static async Task<IResult> SignInAsync(HttpRequest request, HttpResponse response)
    {
        var form = await request.ReadFormAsync();
        var name = form["name"].ToString().Trim();
        if (name.Length is 0 or > 32 || !name.All(char.IsAsciiLetterOrDigit))
        {
            return Results.Text("A name has 1 to 32 letters and digits.", statusCode: StatusCodes.Status400BadRequest);
        }

        response.Cookies.Append(HeaderName, name, new CookieOptions
        {
            HttpOnly = true,
            SameSite = SameSiteMode.Strict,
        });
        return Results.Redirect("/productpage");
    }

    public static IResult SignOut(HttpResponse response)
    {
        response.Cookies.Delete(HeaderName);
        return Results.Redirect("/productpage");
    }
}
