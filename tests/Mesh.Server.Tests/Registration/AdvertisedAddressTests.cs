using System.Net;
using Mesh.Server.Registration;

namespace Mesh.Server.Tests.Registration;

public sealed class AdvertisedAddressTests
{
    [Theory]
    [InlineData("http://10.1.2.3:80", "http://10.1.2.3/")]
    [InlineData("http://0.0.0.0:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://[::]:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://*:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://+:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://localhost:5000", "http://127.0.0.1:5000/")]
    [InlineData("http://[::1]:5000", "http://[::1]:5000/")]
    [InlineData("http://example:5000/base", "http://example:5000/")]
    [InlineData("https://*:5001 http://*:5000", "http://192.0.2.7:5000/")]
    [InlineData("https://*:5001 https://*:5002", "https://192.0.2.7:5001/")]
    [InlineData("HTTP://*:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://unix:/tmp/socket http://*:5000", "http://192.0.2.7:5000/")]
    [InlineData("http://unix:/tmp/socket", null)]
    [InlineData("", null)]
    public void Choose_ForOtherMachines_NamesWhatTheyCanDial(string listening, string? expected)
    {
        var address = AdvertisedAddress.Choose(
            listening.Split(' ', StringSplitOptions.RemoveEmptyEntries), onThisMachineOnly: false, () => IPAddress.Parse("192.0.2.7"));

        Assert.Equal(expected, address?.AbsoluteUri);
    }

    [Theory]
    [InlineData("http://0.0.0.0:5000")]
    [InlineData("http://[::]:5000")]
    [InlineData("http://*:5000")]
    public void Choose_ForThisMachine_NamesLoopback(string listening)
    {
        var address = AdvertisedAddress.Choose([listening], onThisMachineOnly: true, () => throw new InvalidOperationException());

        Assert.Equal("http://127.0.0.1:5000/", address?.AbsoluteUri);
    }

    [Fact]
    public void Choose_MachineWithoutAddress_NamesLoopback() =>
        Assert.Equal("127.0.0.1", AdvertisedAddress.Choose(["http://*:1"], onThisMachineOnly: false, () => null)?.Host);

    [Fact]
    public void OfThisMachine_Always_IsAnAddressThatOthersMayDial()
    {
        var address = AdvertisedAddress.OfThisMachine();

        Assert.True(address is null || !IPAddress.IsLoopback(address));
    }
}
