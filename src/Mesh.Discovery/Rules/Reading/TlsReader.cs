using Mesh.Discovery.Security;

namespace Mesh.Discovery.Rules.Reading;

/// <summary>Reads how connections are secured (Istio: ClientTLSSettings), and who may answer.</summary>
internal static class TlsReader
{
    private static readonly string[] s_files = ["clientCertificate", "privateKey"];

    public static TlsSettingsConfig? Read(ObjectReader tls)
    {
        var mode = tls.Require("mode")?.OneOf(
            ("DISABLE", TlsMode.Disable), ("SIMPLE", TlsMode.Simple), ("MUTUAL", TlsMode.Mutual),
            ("MESH", TlsMode.Mesh), ("ISTIO_MUTUAL", TlsMode.Mesh));
        var result = new TlsSettingsConfig
        {
            Mode = mode,
            SubjectAltNames = Names(tls),
            Sni = Sni(tls.Find("sni")),
            CaCertificates = tls.Text("caCertificates"),
            ClientCertificate = tls.Text("clientCertificate"),
            PrivateKey = tls.Text("privateKey"),
            InsecureSkipVerify = tls.Bool("insecureSkipVerify") ?? false,
        };
        tls.NotSupported("credentialName", "caCrl");
        tls.Done();
        if (mode is { } known)
        {
            Check(tls, known, result);
        }

        // Without its mode it would mean something else than was written; the error above keeps it from being used.
        return mode is null ? null : result;
    }

    /// <summary>Identities of those who may answer (Istio compares them exactly).</summary>
    public static IReadOnlyList<string> Names(ObjectReader owner)
    {
        var result = new List<string>();
        foreach (var item in owner.Items("subjectAltNames"))
        {
            if (item.Line() is not { } text)
            {
                continue;
            }

            if (text.Length == 0)
            {
                item.Refuse("is empty", "a SPIFFE ID, another URI, or a DNS name");
            }
            else if (SpiffeId.TryParse(text, out var id))
            {
                result.Add(id.ToString());
            }
            else if (text.StartsWith("spiffe:", StringComparison.OrdinalIgnoreCase))
            {
                item.Refuse(
                    "is not a SPIFFE ID", "spiffe://trust-domain/path, the trust domain of a-z 0-9 . - _, the path of a-z A-Z 0-9 . - _ between slashes");
            }
            else
            {
                result.Add(text);
            }
        }

        return result;
    }

    private static string? Sni(RuleValue? value)
    {
        if (value?.Line() is not { Length: > 0 } text)
        {
            return null;
        }

        if (HostText.IsHost(text, wildcard: false))
        {
            return text;
        }

        value.Value.Refuse("is not a host", HostText.Allowed);
        return null;
    }

    private static void Check(ObjectReader tls, TlsMode mode, TlsSettingsConfig settings)
    {
        switch (mode)
        {
            case TlsMode.Disable:
                if (tls.CountOf("subjectAltNames", "sni", "caCertificates", "clientCertificate", "privateKey", "insecureSkipVerify") > 0)
                {
                    tls.Reading.Warn(tls.Location, $"only {tls.Reading.Show("mode")} has an effect with DISABLE");
                }

                return;
            case TlsMode.Mutual when tls.CountOf(s_files) < s_files.Length:
                tls.Error($"the mode MUTUAL needs {tls.Reading.Show(s_files)}: the certificate that is shown; for that of the mesh the mode is MESH");
                break;
            case TlsMode.Simple when tls.CountOf(s_files) > 0:
                tls.Error($"{tls.Reading.Show(s_files)} are for the mode MUTUAL; with SIMPLE no certificate is shown");
                break;
            case TlsMode.Mesh when tls.CountOf("clientCertificate", "privateKey", "caCertificates") > 0:
                tls.Error(
                    $"the mode MESH uses the certificates of the mesh; {tls.Reading.Show("clientCertificate", "privateKey", "caCertificates")} are for the mode MUTUAL");
                break;
            case TlsMode.Mesh when settings.InsecureSkipVerify:
                tls.Error($"the mode MESH always verifies who answers; {tls.Reading.Show("insecureSkipVerify")} is for SIMPLE and MUTUAL");
                break;
        }

        if (settings.InsecureSkipVerify && tls.CountOf("caCertificates", "subjectAltNames") > 0)
        {
            tls.Error(
                $"with {tls.Reading.Show("insecureSkipVerify")} nothing is verified, so {tls.Reading.Show("caCertificates", "subjectAltNames")} must not be there");
        }
    }
}
