using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Configuration;

/// <summary>Reads <c>Mesh:Admin:Identities</c>.</summary>
internal static class AdminIdentitiesReader
{
    private const char Wildcard = '*';

    public static void Read(ObjectReader admin, AdminOptions options)
    {
        if (admin.Find("identities") is not { } identities)
        {
            return;
        }

        options.Identities.Clear();
        foreach (var item in identities.Items())
        {
            if (item.Line() is not { } text)
            {
                continue;
            }

            var at = text.IndexOf(Wildcard);
            if (at < 0)
            {
                if (PrincipalReader.Read(item) is { } principal)
                {
                    options.Identities.Add(principal);
                }
            }
            else if (at != text.LastIndexOf(Wildcard) || (at > 0 && at < text.Length - 1))
            {
                item.Refuse("is not a principal", "a principal, with one '*' at its beginning or its end");
            }
            else
            {
                options.Identities.Add(text);
            }
        }
    }
}
