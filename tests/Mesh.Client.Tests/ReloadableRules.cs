using Microsoft.Extensions.Configuration;

namespace Mesh.Client.Tests;

/// <summary>Configuration below <c>Mesh</c> that a test changes while the application runs.</summary>
internal sealed class ReloadableRules : ConfigurationProvider, IConfigurationSource
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Sets keys below <c>Mesh</c>, null to remove one, and waits until the rules are in use.</summary>
    public void Change(TestMesh mesh, Func<bool> isInUse, params (string Key, string? Value)[] settings)
    {
        foreach (var (key, value) in settings)
        {
            if (value is null)
            {
                Data.Remove("Mesh:" + key);
            }
            else
            {
                Data["Mesh:" + key] = value;
            }
        }

        OnReload();
        Assert.True(SpinWait.SpinUntil(isInUse, s_patience), string.Join('\n', mesh.Runtime.Issues));
    }

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;
}
