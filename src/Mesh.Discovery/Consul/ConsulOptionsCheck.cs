using System.Globalization;

namespace Mesh.Discovery.Consul;

/// <summary>What values the options may have, wherever they were set.</summary>
internal static class ConsulOptionsCheck
{
    public const string DatacenterAllowed = "letters, digits, '-' and '_'";

    public const string TokenAllowed = "visible ASCII characters";

    public const string PathAllowed = "a path that starts with '/', in visible ASCII characters, such as '/mesh/health'";

    public static readonly TimeSpan ShortestWait = TimeSpan.FromSeconds(1);

    /// <summary>Consul holds no query for longer.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(10);

    public static readonly TimeSpan ShortestRequest = TimeSpan.FromMilliseconds(100);

    /// <summary>Consul's checks do not run more often.</summary>
    public static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(1);

    /// <summary>Consul makes one minute of what is shorter.</summary>
    public static readonly TimeSpan ShortestCritical = TimeSpan.FromMinutes(1);

    public static bool IsDatacenter(string text) =>
        text.Length > 0 && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_');

    /// <summary>A token travels in a header; none is no token either.</summary>
    public static bool IsToken(string text) => text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0;

    public static bool IsPath(string text) =>
        text.StartsWith('/') && text.AsSpan().IndexOfAnyExceptInRange('!', '~') < 0 && !text.Contains('#');

    /// <summary>What is wrong with options that code may have set. Never holds the token.</summary>
    /// <param name="options">With or without the environment applied.</param>
    public static IEnumerable<string> Validate(ConsulOptions options)
    {
        if (options.Address is { } address && !ConsulAddress.IsAddress(address))
        {
            yield return $"Address is not the address of a Consul agent; allowed: {ConsulAddress.Allowed}";
        }

        if (options.Datacenter.Length > 0 && !IsDatacenter(options.Datacenter))
        {
            yield return $"Datacenter is '{options.Datacenter}'; allowed: {DatacenterAllowed}";
        }

        if (!IsToken(options.Token))
        {
            yield return $"Token is not a token (it is not shown here); allowed: {TokenAllowed}";
        }

        if (options.Tags.Any(string.IsNullOrEmpty))
        {
            yield return "Tags holds an empty tag; allowed: texts";
        }

        if (!IsPath(options.Check.Path))
        {
            yield return $"Check:Path is '{options.Check.Path}'; allowed: {PathAllowed}";
        }

        var durations = new (string Name, TimeSpan Value, TimeSpan Min, TimeSpan Max)[]
        {
            ("WaitTime", options.WaitTime, ShortestWait, LongestWait),
            ("RequestTimeout", options.RequestTimeout, ShortestRequest, TimeSpan.MaxValue),
            ("ShrinkHold", options.ShrinkHold, TimeSpan.Zero, TimeSpan.MaxValue),
            ("Check:Interval", options.Check.Interval, ShortestInterval, TimeSpan.MaxValue),
            ("Check:Timeout", options.Check.Timeout, TimeSpan.FromMilliseconds(1), TimeSpan.MaxValue),
            (
                "Check:DeregisterCriticalServiceAfter",
                options.Check.DeregisterCriticalServiceAfter,
                ShortestCritical,
                TimeSpan.MaxValue),
        };
        foreach (var (name, value, min, max) in durations)
        {
            if (value < min || value > max)
            {
                var allowed = max == TimeSpan.MaxValue ? $"at least {min}" : $"{min} to {max}";
                yield return string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; allowed: {allowed}");
            }
        }
    }
}
