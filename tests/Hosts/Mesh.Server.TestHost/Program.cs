var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();

var app = builder.Build();
app.MapGet("/", static () => "hello");
app.Run();
