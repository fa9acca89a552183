using Bookinfo;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();

var app = builder.Build();
app.UseServedBy();

// The first version knows no stars and calls nobody.
app.MapGet("/reviews/{id:int}", (int id) => BookReviews.Of(id));

app.Run();
