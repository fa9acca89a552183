using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace Mesh.Server.Security.Jwt;

/// <summary>Finds the tokens of a request, and takes them out.</summary>
/// <remarks>
/// Names are compared as ASP.NET compares them when the application looks: without regard to case, and decoded. Otherwise a second
/// token could hide behind the first.
/// </remarks>
internal static class TokenFinder
{
    private const string Authorization = "authorization";

    /// <summary>Adds what is at a place; false if it cannot be told which one is meant.</summary>
    public static bool TryFind(HttpRequest request, TokenLocation location, List<FoundToken> found)
    {
        var before = found.Count;
        switch (location.Kind)
        {
            case TokenPlace.Header:
                return FindInHeader(request, location, found);
            case TokenPlace.Parameter:
                foreach (var pair in new QueryStringEnumerable(request.QueryString.Value))
                {
                    if (IsNamed(pair.DecodeName().Span, location) && pair.DecodeValue() is { Length: > 0 } value)
                    {
                        found.Add(new FoundToken(location, value.ToString()));
                    }
                }

                break;
            default:
                foreach (var (name, value) in Cookies(request.Headers.Cookie))
                {
                    if (IsNamed(name, location) && value.Length > 0)
                    {
                        found.Add(new FoundToken(location, value));
                    }
                }

                break;
        }

        return found.Count - before <= 1;
    }

    public static void Remove(HttpRequest request, TokenLocation location)
    {
        switch (location.Kind)
        {
            case TokenPlace.Header:
                request.Headers.Remove(location.Name);
                break;
            case TokenPlace.Parameter:
                RemoveParameter(request, location);
                break;
            default:
                RemoveCookie(request, location);
                break;
        }
    }

    private static bool FindInHeader(HttpRequest request, TokenLocation location, List<FoundToken> found)
    {
        if (!request.Headers.TryGetValue(location.Name, out var values))
        {
            return true;
        }

        // A scheme may be written in any case (RFC 9110, section 11.1); what stands before other tokens is Istio's own matter.
        var isScheme = location.Name == Authorization;
        var comparison = isScheme ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        var before = found.Count;
        foreach (var value in values)
        {
            if (value is null)
            {
                continue;
            }

            if (value.StartsWith(location.Prefix, comparison))
            {
                if (value[location.Prefix.Length..].Trim(' ') is { Length: > 0 } token)
                {
                    found.Add(new FoundToken(location, token));
                }
            }
            else if (isScheme && value.Contains(", " + location.Prefix, comparison))
            {
                // Envoy takes the token from behind other credentials; an application would look at those.
                return false;
            }
        }

        return found.Count == before || values.Count == 1;
    }

    private static void RemoveParameter(HttpRequest request, TokenLocation location)
    {
        var query = request.QueryString.Value;
        if (query is not { Length: > 1 })
        {
            return;
        }

        // What else is there stays as it was written.
        var kept = new StringBuilder(query.Length);
        foreach (var part in query[1..].Split('&'))
        {
            var isToken = false;
            foreach (var pair in new QueryStringEnumerable(part))
            {
                isToken |= IsNamed(pair.DecodeName().Span, location);
            }

            if (!isToken)
            {
                kept.Append(kept.Length == 0 ? '?' : '&').Append(part);
            }
        }

        request.QueryString = new QueryString(kept.ToString());
        if (request.HttpContext.Features.Get<IHttpRequestFeature>() is { } feature && feature.RawTarget.IndexOf('?') is >= 0 and var start)
        {
            feature.RawTarget = feature.RawTarget[..start] + kept;
        }
    }

    private static void RemoveCookie(HttpRequest request, TokenLocation location)
    {
        var kept = new List<string>();
        foreach (var line in request.Headers.Cookie)
        {
            foreach (var part in (line ?? "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                if (!IsNamed(NameOf(part), location))
                {
                    kept.Add(part);
                }
            }
        }

        request.Headers.Cookie = kept.Count == 0 ? StringValues.Empty : string.Join("; ", kept);
    }

    private static IEnumerable<(string Name, string Value)> Cookies(StringValues lines)
    {
        foreach (var line in lines)
        {
            foreach (var part in (line ?? "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                var equals = part.IndexOf('=');
                if (equals > 0)
                {
                    yield return (NameOf(part), part[(equals + 1)..].Trim());
                }
            }
        }
    }

    private static string NameOf(string cookie)
    {
        var equals = cookie.IndexOf('=');
        return Uri.UnescapeDataString((equals < 0 ? cookie : cookie[..equals]).Trim());
    }

    private static bool IsNamed(ReadOnlySpan<char> name, TokenLocation location) => name.Equals(location.Name, StringComparison.OrdinalIgnoreCase);
}

/// <summary>A token and its place.</summary>
internal readonly record struct FoundToken(TokenLocation Location, string Text);
