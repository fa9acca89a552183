using System.Threading.Channels;
using Mesh.Discovery.Security;

namespace Mesh.Testing;

/// <summary>A source of certificates that says what the test wants. Register it as an <see cref="ICertificateSource"/>.</summary>
internal sealed class TestCertificateSource : ICertificateSource
{
    public const string SourceName = "Test";

    private readonly Channel<CertificateSet> _sets = Channel.CreateUnbounded<CertificateSet>();

    public TestCertificateSource(CertificateSet? first = null)
    {
        if (first is not null)
        {
            Publish(first);
        }
    }

    public string Name => SourceName;

    public void Publish(CertificateSet set) => _sets.Writer.TryWrite(set);

    public async Task WatchAsync(Action<CertificateSet> publish, CancellationToken stop)
    {
        await foreach (var set in _sets.Reader.ReadAllAsync(stop))
        {
            publish(set);
        }
    }
}
