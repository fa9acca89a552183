using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace Mesh.Server.Security;

/// <summary>What applications, and Kestrel, ask of a TLS connection.</summary>
internal sealed class TlsFeatures(SslStream stream, bool isHttp2)
    : ITlsConnectionFeature, ITlsHandshakeFeature, ITlsApplicationProtocolFeature, ISslStreamFeature
{
    private X509Certificate2? _certificate = stream.RemoteCertificate switch
    {
        null => null,
        X509Certificate2 certificate => certificate,
        var other => X509CertificateLoader.LoadCertificate(other.GetRawCertData()),
    };

    public X509Certificate2? ClientCertificate
    {
        get => _certificate;
        set => _certificate = value;
    }

    /// <summary>What is spoken, which is not always what was agreed on.</summary>
    public ReadOnlyMemory<byte> ApplicationProtocol { get; } =
        (isHttp2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11).Protocol;

    public SslStream SslStream => stream;

    public SslProtocols Protocol => stream.SslProtocol;

    public TlsCipherSuite? NegotiatedCipherSuite => stream.NegotiatedCipherSuite;

    public string HostName => stream.TargetHostName;

#pragma warning disable SYSLIB0058 // The interface demands them.
    public CipherAlgorithmType CipherAlgorithm => stream.CipherAlgorithm;

    public int CipherStrength => stream.CipherStrength;

    public HashAlgorithmType HashAlgorithm => stream.HashAlgorithm;

    public int HashStrength => stream.HashStrength;

    public ExchangeAlgorithmType KeyExchangeAlgorithm => stream.KeyExchangeAlgorithm;

    public int KeyExchangeStrength => stream.KeyExchangeStrength;
#pragma warning restore SYSLIB0058

    public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult(_certificate);

    public void AddTo(IFeatureCollection features)
    {
        features.Set<ITlsConnectionFeature>(this);
        features.Set<ITlsHandshakeFeature>(this);
        features.Set<ITlsApplicationProtocolFeature>(this);
        features.Set<ISslStreamFeature>(this);
    }
}
