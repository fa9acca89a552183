using System.Net.Security;
using System.Net.Sockets;
using Mesh.Discovery;
using Microsoft.AspNetCore.Hosting;

namespace Mesh.Server.Tests.Security;

/// <summary>Clients that say nothing, or little.</summary>
public sealed class PatienceTests
{
    private static readonly TimeSpan s_keepAlive = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(MtlsMode.Permissive)]
    [InlineData(MtlsMode.Strict)]
    public async Task SilentClients_Many_HoldUpNobodyAndAreClosedInTime(MtlsMode mode)
    {
        await using var app = await StartAsync(mode);
        var silent = new List<Socket>();
        for (var i = 0; i < 50; i++)
        {
            silent.Add(await app.ConnectAsync());
        }

        Assert.NotNull((await app.WhoAsync(app.TlsClient(app.GoodLeaf()))).Peer);
        app.Mesh.Time.Advance(s_keepAlive / 2);
        Assert.All(silent, static socket => Assert.False(socket.Poll(0, SelectMode.SelectRead)));

        var closed = Task.WhenAll(silent.Select(ModeTests.ReceiveAsync));
        await app.Mesh.AdvanceUntil(closed);

        Assert.All(await closed, static received => Assert.Equal(0, received));
        silent.ForEach(static socket => socket.Dispose());
    }

    [Fact]
    public async Task OpenedInAdvance_LateRequest_IsServed()
    {
        await using var app = await StartAsync(MtlsMode.Permissive);
        using var early = await app.ConnectAsync();
        app.Mesh.Time.Advance(s_keepAlive / 2);

        await early.SendAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());

        Assert.True(await ModeTests.ReceiveAsync(early) > 0);
    }

    [Fact]
    public async Task SlowHandshake_TenSeconds_IsEndedAndCounted()
    {
        await using var app = await StartAsync(MtlsMode.Strict);
        using var slow = await app.ConnectAsync();
        await slow.SendAsync(new byte[] { 0x16, 3 });

        var closed = ModeTests.ReceiveAsync(slow);
        await app.Mesh.AdvanceUntil(closed);

        Assert.Equal(0, await closed);
        await app.Until(() => app.Count("failed", "timeout") == 1);
    }

    [Theory]
    [InlineData("\u0016nonsense that is no TLS record at all", "protocol")]
    [InlineData("\u0016", "aborted")]
    public async Task BrokenHandshake_Any_IsCountedByItsReason(string bytes, string reason)
    {
        await using var app = await StartAsync(MtlsMode.Strict);
        using (var socket = await app.ConnectAsync())
        {
            await socket.SendAsync(System.Text.Encoding.ASCII.GetBytes(bytes));
            socket.Shutdown(SocketShutdown.Send);
            await ModeTests.ReceiveAsync(socket);
        }

        await app.Until(() => app.Count("failed", reason) == 1);
    }

    [Fact]
    public async Task SilentAfterHandshake_Http2Agreed_IsClosedInTime()
    {
        await using var app = await StartAsync(MtlsMode.Strict);
        await using var stream = await app.ConnectTlsAsync(null, SslApplicationProtocol.Http2);
        await app.Until(() => app.Register.Count == 1);

        await app.Mesh.AdvanceUntil(Task.Run(async () => await app.Until(() => app.Register.Count == 0)));

        Assert.Equal(0, app.Register.Count);
    }

    [Fact]
    public async Task Stop_WithSilentAndBusyClients_FinishesTheBusyAndWaitsForNobodyElse()
    {
        await using var app = await StartAsync(MtlsMode.Permissive, static options => options.Drain.Delay = TimeSpan.Zero);
        using var silent = await app.ConnectAsync();
        using var handshaking = await app.ConnectAsync();
        await handshaking.SendAsync(new byte[] { 0x16, 3 });
        await using var idle = await app.ConnectTlsAsync(null, SslApplicationProtocol.Http2);
        var held = app.TlsClient(app.GoodLeaf()).GetAsync("/held", HttpCompletionOption.ResponseHeadersRead);
        await app.Arrived.Task;

        var stopped = app.Mesh.App.StopAsync();
        Assert.Equal(0, await ModeTests.ReceiveAsync(silent));
        Assert.Equal(0, await ModeTests.ReceiveAsync(handshaking));
        Assert.False(stopped.IsCompleted);
        app.Gate.TrySetResult();

        Assert.Equal("late", await (await held).Content.ReadAsStringAsync());
        await stopped;
        Assert.Equal(0, app.Register.Count);
    }

    [Fact]
    public async Task Dispose_WithoutStop_EndsEverything()
    {
        var app = await StartAsync(MtlsMode.Permissive);
        using var silent = await app.ConnectAsync();
        await using var open = await app.ConnectTlsAsync();
        var register = app.Register;

        await app.DisposeAsync();

        Assert.Equal(0, await ModeTests.ReceiveAsync(silent));
        Assert.Equal(0, register.Count);
    }

    private static Task<SecureApp> StartAsync(MtlsMode mode, Action<MeshOptions>? configure = null) => SecureApp.StartAsync(
        mode,
        configure,
        static builder => builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.KeepAliveTimeout = s_keepAlive));
}
