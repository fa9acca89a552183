using Bookinfo;

var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();

var app = builder.Build();
app.UseServedBy();

app.MapGet("/details/{id:int}", (int id) => new BookDetails(
    id,
    Title: "The Comedy of Errors",
    Author: "William Shakespeare",
    Year: 1595,
    Type: "paperback",
    Pages: 200,
    Publisher: "PublisherA",
    Language: "English"));

app.Run();
