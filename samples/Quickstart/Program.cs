var builder = WebApplication.CreateBuilder(args);
builder.AddServiceMesh();
builder.Services.AddHttpClient();

var app = builder.Build();

app.MapGet("/hello", (HttpContext context) => $"Hello from port {context.Connection.LocalPort}\n");
app.MapGet("/", (IHttpClientFactory clients) => clients.CreateClient().GetStringAsync("http://greeter/hello"));

app.Run();
