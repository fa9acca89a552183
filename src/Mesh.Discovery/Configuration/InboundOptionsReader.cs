using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Configuration;

/// <summary>Reads <c>Mesh:Inbound</c>.</summary>
internal static class InboundOptionsReader
{
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(1);

    public static void Read(ObjectReader? inbound, InboundOptions options)
    {
        if (inbound is null)
        {
            return;
        }

        options.Deadlines = inbound.Bool("deadlines") ?? options.Deadlines;
        options.TrustPriority = inbound.Bool("trustPriority") ?? options.TrustPriority;
        if (inbound.Object("concurrency") is { } concurrency)
        {
            Read(concurrency, options.Concurrency);
        }

        inbound.Done();
    }

    private static void Read(ObjectReader concurrency, InboundConcurrencyOptions options)
    {
        options.MaxWait = concurrency.Find("maxWait")?.Duration(TimeSpan.Zero, s_longestWait) ?? options.MaxWait;
        if (concurrency.Find("exemptPaths") is { } paths)
        {
            options.ExemptPaths.Clear();
            foreach (var path in paths.Items())
            {
                if (path.Line() is { } text)
                {
                    if (text.StartsWith('/'))
                    {
                        options.ExemptPaths.Add(text.Length > 1 ? text.TrimEnd('/') : text);
                    }
                    else
                    {
                        path.Refuse("is not a path", "a path that begins with '/'");
                    }
                }
            }
        }

        var limit = AdaptiveConcurrencyReader.Read(concurrency, new AdaptiveConcurrencyConfig
        {
            Mode = options.Mode,
            MinLimit = options.MinLimit,
            MaxLimit = options.MaxLimit,
            Window = options.Window,
        });
        (options.Mode, options.MinLimit, options.MaxLimit, options.Window) = (limit.Mode, limit.MinLimit, limit.MaxLimit, limit.Window);
    }
}
