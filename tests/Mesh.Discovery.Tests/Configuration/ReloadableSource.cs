using Microsoft.Extensions.Configuration;

namespace Mesh.Discovery.Tests.Configuration;

/// <summary>Configuration that a test changes and then reloads.</summary>
internal sealed class ReloadableSource : ConfigurationProvider, IConfigurationSource
{
    public string this[string key]
    {
        set => Data[key] = value;
    }

    public void Remove(string key) => Data.Remove(key);

    public void Reload() => OnReload();

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;
}
