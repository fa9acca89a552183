using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Mesh.Discovery.Security;

namespace Mesh.Discovery.Tests.Security.Sources;

/// <summary>A source of certificates that runs, as a process has it.</summary>
internal sealed class SourceRun : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _watch;

    private SourceRun(ICertificateSource source, LoopTime time)
    {
        Time = time;
        _watch = Task.Run(() => source.WatchAsync(Published.Add, _stop.Token));
    }

    public LoopTime Time { get; }

    /// <summary>All that was published so far.</summary>
    public List<CertificateSet> Published { get; } = [];

    public CertificateSet Current => Published[^1];

    public DateTimeOffset Now => Time.GetUtcNow();

    /// <summary>Starts it; done when it has looked for the first time.</summary>
    public static async Task<SourceRun> StartAsync(ICertificateSource source, LoopTime time)
    {
        var run = new SourceRun(source, time);
        var waits = time.WaitsAsync();
        if (await Task.WhenAny(waits, run._watch) == run._watch)
        {
            await run._watch;
        }

        await waits;
        return run;
    }

    /// <summary>What this process thinks of what another one shows.</summary>
    public PeerVerdict Verify(CertificateSet shown)
    {
        var verifier = new PeerVerifier(Current, Time);
        using var chain = new X509Chain { ChainPolicy = verifier.CreatePolicy() };
        chain.ChainPolicy.ApplicationPolicy.Add(TlsUsages.Client);
        chain.ChainPolicy.ExtraStore.AddRange(shown.Intermediates.ToArray());
        var isGood = chain.Build(shown.Leaf);
        return verifier.Verify(shown.Leaf, chain, isGood ? SslPolicyErrors.None : SslPolicyErrors.RemoteCertificateChainErrors);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _watch;
        _stop.Dispose();
    }
}
