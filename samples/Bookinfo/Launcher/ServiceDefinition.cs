namespace Bookinfo.Launcher;

/// <summary>One version of one service: a project of its own.</summary>
/// <param name="Project">The project's, its folder's and its program's name.</param>
/// <param name="Service">The service's name in the mesh.</param>
internal sealed record ServiceDefinition(string Project, string Service)
{
    public static readonly ServiceDefinition ProductPage = new("productpage", "productpage");

    public static readonly IReadOnlyList<ServiceDefinition> All =
    [
        ProductPage,
        new("details", "details"),
        new("reviews-v1", "reviews"),
        new("reviews-v2", "reviews"),
        new("reviews-v3", "reviews"),
        new("ratings", "ratings"),
    ];

    public static string AllNames { get; } =
        string.Join(", ", All.SelectMany(static one => new[] { one.Service, one.Project }).Distinct());

    /// <summary>Whether the name, of a service or of one version, means this.</summary>
    public bool IsNamed(string name) =>
        name.Equals(Service, StringComparison.OrdinalIgnoreCase)
        || name.Equals(Project, StringComparison.OrdinalIgnoreCase);
}
