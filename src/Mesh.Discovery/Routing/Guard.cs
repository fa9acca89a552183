using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Routing;

/// <summary>
/// What intentions deny this process to call. A courtesy that spares the callee the call, and no security: it is the
/// callee who enforces.
/// </summary>
internal sealed class Guard
{
    private readonly GuardPermission[]? _permissions;

    private Guard(string source, string destination, string intention, GuardPermission[]? permissions)
    {
        Source = source;
        Destination = destination;
        Intention = intention;
        _permissions = permissions;
    }

    /// <summary>The service that is denied: this process.</summary>
    public string Source { get; }

    /// <summary>The service that must not be called.</summary>
    public string Destination { get; }

    /// <summary>The intention that says so: <c>web → *</c>.</summary>
    public string Intention { get; }

    /// <summary>Null if the intention denies nothing.</summary>
    public static Guard? Create(
        string source, string destination, string intendedFor, IntentionSourceConfig config, IssueList issues)
    {
        // All are compiled, so that what is wrong with them is told.
        GuardPermission[] permissions = [.. config.Permissions.Select(p => GuardPermission.Create(p, issues))];
        var intention = $"{config.Name} → {intendedFor}";
        return permissions.Length == 0
            ? config.Allow ? null : new Guard(source, destination, intention, null)
            : permissions.Any(static p => !p.Allow) ? new Guard(source, destination, intention, permissions) : null;
    }

    /// <summary>The first permission that matches decides. What none matches is for the callee's default policy.</summary>
    public bool Denies(HttpRequestMessage request)
    {
        if (_permissions is null)
        {
            return true;
        }

        foreach (var permission in _permissions)
        {
            if (permission.Matches(request))
            {
                return !permission.Allow;
            }
        }

        return false;
    }

    /// <param name="Allow">Allow or deny.</param>
    /// <param name="Match">Any of these; null matches everything.</param>
    private sealed record GuardPermission(bool Allow, RouteMatch[]? Match)
    {
        public static GuardPermission Create(IntentionPermissionConfig config, IssueList issues) =>
            new(config.Allow, config.Match.Count == 0 ? null : [.. config.Match.Select(match => RouteMatch.Create(match, issues))]);

        public bool Matches(HttpRequestMessage request) =>
            Match is null || Array.Exists(Match, match => match.Matches(request));
    }
}
