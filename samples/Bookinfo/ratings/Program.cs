using Bookinfo;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();

var app = builder.Build();
app.UseServedBy();

app.MapGet("/ratings/{id:int}", (int id) => new BookRatings(id, new Dictionary<string, int>
{
    ["Reviewer1"] = 5,
    ["Reviewer2"] = 4,
}));

app.Run();
