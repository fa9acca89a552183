namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads the address of an endpoint.</summary>
internal static class AddressText
{
    private const string Allowed = "scheme, host and port, such as 'http://10.1.2.3:8080', without a path";

    public static Uri? Read(RuleValue value)
    {
        if (value.Line() is not { } text)
        {
            return null;
        }

        var isAddress = Uri.TryCreate(text, UriKind.Absolute, out var uri)
            && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps)
            && uri is { Port: > 0, UserInfo.Length: 0, Query.Length: 0, Fragment.Length: 0, AbsolutePath: "/" }
            && (HostText.IsHost(uri.IdnHost, wildcard: false));
        if (!isAddress)
        {
            if (text.Contains('@', StringComparison.Ordinal))
            {
                // What stands before it may be a password.
                value.Error($"is not an address: there is a user or password in it; allowed: {Allowed}");
            }
            else
            {
                value.Refuse("is not an address", Allowed);
            }

            return null;
        }

        return uri;
    }
}
