using Mesh.Discovery.Consul;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Configuration;

/// <summary>Reads <c>Mesh:Discovery:Consul</c> and <c>Mesh:Config:Consul</c>.</summary>
internal static class ConsulOptionsReader
{
    private static readonly TimeSpan s_shortestLimit = TimeSpan.FromMilliseconds(10);

    public static void Read(ObjectReader? consul, ConsulOptions options)
    {
        if (consul is null)
        {
            return;
        }

        options.Address = ReadAddress(consul) ?? options.Address;
        options.Datacenter = ReadDatacenter(consul) ?? options.Datacenter;
        options.Token = ReadToken(consul) ?? options.Token;
        options.TokenFile = consul.Text("tokenFile") ?? options.TokenFile;
        Read(consul.Object("tls"), options.Tls);
        options.TaggedAddress = consul.Text("taggedAddress") ?? options.TaggedAddress;
        options.AllowStale = consul.Bool("allowStale") ?? options.AllowStale;
        options.PassingOnly = consul.Bool("passingOnly") ?? options.PassingOnly;
        options.WaitTime = consul.Find("waitTime")
            ?.Duration(ConsulOptionsCheck.ShortestWait, ConsulOptionsCheck.LongestWait) ?? options.WaitTime;
        options.RequestTimeout =
            consul.Duration("requestTimeout", ConsulOptionsCheck.ShortestRequest) ?? options.RequestTimeout;
        options.ShrinkHold = consul.Duration("shrinkHold") ?? options.ShrinkHold;
        options.SavedViewPath = consul.Text("savedViewPath") ?? options.SavedViewPath;
        Replace(options.Tags, consul, "tags", static value => value.Texts());
        Replace(options.Follow, consul, "follow", static value => value.Items().Select(static item => item.Host()).OfType<string>());
        Read(consul.Object("check"), options.Check);
        consul.Done();
    }

    public static void Read(ObjectReader? consul, ConsulRuleOptions options)
    {
        if (consul is null)
        {
            return;
        }

        if (consul.Find("keyPrefix") is { } value && value.Line() is { } prefix)
        {
            if (ConsulKeyPrefix.IsPrefix(prefix))
            {
                options.KeyPrefix = ConsulKeyPrefix.Normalize(prefix);
            }
            else
            {
                value.Refuse("is not a prefix of keys", ConsulKeyPrefix.Allowed);
            }
        }

        options.ConfigEntries = consul.Bool("configEntries") ?? options.ConfigEntries;
        options.Intentions = consul.Bool("intentions") ?? options.Intentions;
        consul.Done();
    }

    private static void Replace(IList<string> list, ObjectReader owner, string key, Func<RuleValue, IEnumerable<string>> read)
    {
        if (owner.Find(key) is not { } value)
        {
            return;
        }

        list.Clear();
        foreach (var text in read(value))
        {
            list.Add(text);
        }
    }

    private static void Read(ObjectReader? tls, ConsulTlsOptions options)
    {
        if (tls is null)
        {
            return;
        }

        options.CaFile = tls.Text("caFile") ?? options.CaFile;
        options.CertificateFile = tls.Text("certificateFile") ?? options.CertificateFile;
        options.KeyFile = tls.Text("keyFile") ?? options.KeyFile;
        options.ServerName = tls.Find("serverName")?.Host() ?? options.ServerName;
        options.Verify = tls.Bool("verify") ?? options.Verify;
        tls.Done();
        if (tls.CountOf("keyFile") > 0 && options.CertificateFile.Length == 0)
        {
            tls.Error("KeyFile is the key of CertificateFile, which is missing");
        }
    }

    private static void Read(ObjectReader? check, ConsulCheckOptions options)
    {
        if (check is null)
        {
            return;
        }

        options.Type = check.Find("type")?.OneOf(
            ("Http", ConsulCheckType.Http),
            ("Grpc", ConsulCheckType.Grpc),
            ("Ttl", ConsulCheckType.Ttl),
            ("None", ConsulCheckType.None)) ?? options.Type;
        options.Interval = check.Duration("interval", ConsulOptionsCheck.ShortestInterval) ?? options.Interval;
        var timeout = check.Duration("timeout", s_shortestLimit);
        options.Timeout = timeout ?? options.Timeout;
        if (check.Find("path") is { } value && value.Line() is { } path)
        {
            if (ConsulOptionsCheck.IsPath(path))
            {
                options.Path = path;
            }
            else
            {
                value.Refuse("is not a path", ConsulOptionsCheck.PathAllowed);
            }
        }

        options.DeregisterCriticalServiceAfter =
            check.Duration("deregisterCriticalServiceAfter", ConsulOptionsCheck.ShortestCritical)
            ?? options.DeregisterCriticalServiceAfter;
        check.Done();
        if (timeout > options.Interval)
        {
            check.Error("Timeout must not be longer than Interval, or checks would overtake each other");
        }
    }

    private static Uri? ReadAddress(ObjectReader consul)
    {
        if (consul.Find("address") is not { } value)
        {
            return null;
        }

        // The value may hold a password, so a wrong one is not repeated.
        if (value.Node is not ScalarNode { Text: { } text }
            || !ConsulAddress.TryParse(text, isTls: false, out var address))
        {
            value.Error($"is not the address of a Consul agent; allowed: {ConsulAddress.Allowed}");
            return null;
        }

        return address;
    }

    private static string? ReadDatacenter(ObjectReader consul)
    {
        if (consul.Text("datacenter") is not { } name)
        {
            return null;
        }

        if (ConsulOptionsCheck.IsDatacenter(name))
        {
            return name;
        }

        consul.Find("datacenter")!.Value.Refuse("is not a datacenter", ConsulOptionsCheck.DatacenterAllowed);
        return null;
    }

    private static string? ReadToken(ObjectReader consul)
    {
        if (consul.Find("token") is not { } value)
        {
            return null;
        }

        if (value.Node is ScalarNode { Text: { } token } && ConsulOptionsCheck.IsToken(token))
        {
            return token;
        }

        value.Error($"is not a token (it is not shown here); allowed: {ConsulOptionsCheck.TokenAllowed}");
        return null;
    }
}
