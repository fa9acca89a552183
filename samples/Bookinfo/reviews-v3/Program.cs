using Bookinfo;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();
builder.Services.AddHttpClient();

var app = builder.Build();
app.UseServedBy();

app.MapGet("/reviews/{id:int}", async (int id, HttpContext context, IHttpClientFactory clients) =>
{
    var ask = new HttpRequestMessage(HttpMethod.Get, $"http://ratings/ratings/{id}");
    var ratings = await context.CallAsync<BookRatings>(clients.CreateClient(), ask);
    return BookReviews.Of(id).WithStars(ratings, color: "red");
});

app.Run();
