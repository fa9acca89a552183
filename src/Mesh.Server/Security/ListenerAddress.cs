using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Mesh.Server.Security;

/// <summary>What a listener knows of the address that it is bound to.</summary>
internal sealed class ListenerAddress
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(1);

    /// <summary>Kestrel adds an address at once after it has begun to accept there.</summary>
    private const int MaxPauses = 1000;

    private static readonly List<SslApplicationProtocol> s_both = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];
    private static readonly List<SslApplicationProtocol> s_http1 = [SslApplicationProtocol.Http11];
    private static readonly List<SslApplicationProtocol> s_http2 = [SslApplicationProtocol.Http2];

    private readonly IPEndPoint _endPoint;
    private readonly IServiceProvider _services;
    private Task<bool>? _isApplicationTls;

    public ListenerAddress(IPEndPoint endPoint, IServiceProvider services)
    {
        _endPoint = endPoint;
        _services = services;
        Protocols = ProtocolsOf(endPoint.Port, services.GetService<IConfiguration>());
    }

    public int Port => _endPoint.Port;

    /// <summary>
    /// What is offered by ALPN: HTTP/2 and HTTP/1.1, unless <c>Kestrel:Endpoints</c> or <c>Kestrel:EndpointDefaults</c> say less.
    /// What code says of an endpoint is not to be seen from here.
    /// </summary>
    public List<SslApplicationProtocol> Protocols { get; }

    /// <summary>Whether the application speaks TLS itself there: Kestrel lists the address as an https one then.</summary>
    public ValueTask<bool> IsApplicationTlsAsync(CancellationToken stop)
    {
        var known = _isApplicationTls;
        return known is { IsCompletedSuccessfully: true } ? new(known.Result) : new(WaitAsync(stop));
    }

    private async Task<bool> WaitAsync(CancellationToken stop)
    {
        bool? isHttps = null;
        if (_services.GetService<IServer>()?.Features.Get<IServerAddressesFeature>() is { } addresses)
        {
            // A matter of microseconds, and only for the first connections of all: nothing tells of a new address.
            for (var i = 0; (isHttps = IsHttps(addresses.Addresses)) is null && i < MaxPauses; i++)
            {
                await Task.Delay(s_pause, TimeProvider.System, stop);
            }
        }

        _isApplicationTls = Task.FromResult(isHttps ?? false);
        return isHttps ?? false;
    }

    /// <summary>Null if the address is not there yet.</summary>
    private bool? IsHttps(ICollection<string> addresses)
    {
        string[] present;
        try
        {
            present = [.. addresses];
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException)
        {
            // Kestrel was adding one just now.
            return null;
        }

        foreach (var text in present)
        {
            var address = BindingAddress.Parse(text);
            if (!address.IsUnixPipe && !address.IsNamedPipe && address.Port == _endPoint.Port && IsMeant(address.Host))
            {
                return address.Scheme.Equals(Uri.UriSchemeHttps, StringComparison.OrdinalIgnoreCase);
            }
        }

        return null;
    }

    private bool IsMeant(string host) =>
        IPAddress.TryParse(host, out var address)
            ? address.Equals(_endPoint.Address)
            : !host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || IPAddress.IsLoopback(_endPoint.Address);

    private static List<SslApplicationProtocol> ProtocolsOf(int port, IConfiguration? configuration)
    {
        var kestrel = configuration?.GetSection("Kestrel");
        var protocols = kestrel?["EndpointDefaults:Protocols"];
        foreach (var endpoint in kestrel?.GetSection("Endpoints").GetChildren() ?? [])
        {
            if (endpoint["Protocols"] is { } own && Uri.TryCreate(endpoint["Url"]?.Replace('*', 'a').Replace('+', 'a'), UriKind.Absolute, out var url) && url.Port == port)
            {
                protocols = own;
            }
        }

        return protocols?.Trim().ToUpperInvariant() switch
        {
            "HTTP1" => s_http1,
            "HTTP2" => s_http2,
            _ => s_both,
        };
    }
}
