using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Security;

/// <summary>Reads the SPIFFE ID of a certificate: the runtime enumerates DNS names and addresses of a SAN, and no URIs.</summary>
internal static class SubjectNames
{
    private const string SubjectAlternativeName = "2.5.29.17";
    private static readonly Asn1Tag s_uri = new(TagClass.ContextSpecific, 6);

    /// <summary>The extension with one SPIFFE ID. The runtime's builder would take it apart as a URI, and change some.</summary>
    public static X509Extension Extension(SpiffeId id)
    {
        var names = new AsnWriter(AsnEncodingRules.DER);
        using (names.PushSequence())
        {
            names.WriteCharacterString(UniversalTagNumber.IA5String, id.ToString(), s_uri);
        }

        return new X509Extension(SubjectAlternativeName, names.Encode(), critical: false);
    }

    /// <summary>The one SPIFFE ID of a certificate. More than one URI is refused, as the X.509-SVID standard wants.</summary>
    public static SpiffeId? IdOf(X509Certificate2 certificate, out string? problem)
    {
        if (Read(certificate) is not { } uris)
        {
            problem = "has subject alternative names that cannot be read";
            return null;
        }

        if (uris.Count > 1)
        {
            problem = "has more than one URI as a subject alternative name";
            return null;
        }

        var uri = uris.Count == 0 ? null : uris[0];
        if (!SpiffeId.TryParse(uri, out var id))
        {
            problem = uri is null ? "has no SPIFFE ID" : $"has the URI {RuleText.Quote(uri)}, which is not a SPIFFE ID";
            return null;
        }

        problem = null;
        return id;
    }

    /// <summary>The URIs of a certificate; none if they cannot be read.</summary>
    public static IReadOnlyList<string> UrisOf(X509Certificate2 certificate) => Read(certificate) ?? [];

    private static List<string>? Read(X509Certificate2 certificate)
    {
        var uris = new List<string>();
        try
        {
            foreach (var extension in certificate.Extensions)
            {
                if (extension.Oid?.Value != SubjectAlternativeName)
                {
                    continue;
                }

                var whole = new AsnReader(extension.RawData, AsnEncodingRules.DER);
                var names = whole.ReadSequence();
                whole.ThrowIfNotEmpty();
                while (names.HasData)
                {
                    if (names.PeekTag().HasSameClassAndValue(s_uri))
                    {
                        uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, s_uri));
                    }
                    else
                    {
                        names.ReadEncodedValue();
                    }
                }
            }

            return uris;
        }
        catch (AsnContentException)
        {
            return null;
        }
    }
}
