using Bookinfo;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();
builder.Services.AddHttpClient();

var app = builder.Build();
app.UseServedBy();

app.MapGet("/", () => Results.Redirect("/productpage"));
app.MapGet("/productpage", async (HttpContext context, IHttpClientFactory clients) =>
{
    var client = clients.CreateClient();
    var reader = Reader.NameOf(context.Request);

    // The names in these two addresses are all that the page knows of the services behind it.
    var askDetails = new HttpRequestMessage(HttpMethod.Get, "http://details/details/0");
    var askReviews = new HttpRequestMessage(HttpMethod.Get, "http://reviews/reviews/0");
    if (reader is not null)
    {
        askReviews.Headers.TryAddWithoutValidation("end-user", reader); // mesh/reviews.yaml routes by it
    }

    var details = context.CallAsync<BookDetails>(client, askDetails);
    var reviews = context.CallAsync<BookReviews>(client, askReviews);
    await Task.WhenAll(details, reviews);
    return Results.Content(ProductPage.Render(await details, await reviews, reader), "text/html; charset=utf-8");
});

// Not part of the page, and not what ratings is there for: with --mtls it answers reviews only, and this shows it.
app.MapGet("/api/v1/products/{id:int}/ratings", async (int id, IHttpClientFactory clients) =>
{
    using var response = await clients.CreateClient().GetAsync($"http://ratings/ratings/{id}");
    var type = response.Content.Headers.ContentType?.ToString();
    return Results.Text(await response.Content.ReadAsStringAsync(), type, statusCode: (int)response.StatusCode);
});
app.MapPost("/login", Reader.SignInAsync);
app.MapPost("/logout", Reader.SignOut);

app.Run();
