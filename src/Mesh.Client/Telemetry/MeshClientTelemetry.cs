using System.Diagnostics;
using System.Diagnostics.Metrics;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Runtime;

namespace Mesh.Client.Telemetry;

/// <summary>Metrics and spans of outbound requests; costs a check each where nobody listens.</summary>
internal sealed class MeshClientTelemetry
{
    /// <summary>The name of the meter and of the activity source.</summary>
    public const string Name = "Mesh.Client";

    public const string DestinationTag = "mesh.destination";
    public const string FaultTag = "mesh.fault";

    private const string ServiceTag = "mesh.service";

    private static readonly ActivitySource s_source = new(Name);

    private readonly Histogram<double> _duration;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _faults;
    private readonly Histogram<double> _mirrors;
    private readonly Counter<long> _mirrorsSkipped;
    private readonly Counter<long> _refusedRetries;
    private readonly Counter<long> _hedges;
    private readonly Counter<long> _handshakes;

    public MeshClientTelemetry(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        _duration = meter.CreateHistogram<double>(
            "mesh.client.request.duration", "s", "From the call until the response's headers, retries included.");
        _retries = meter.CreateCounter<long>("mesh.client.retries", "{attempt}", "Attempts after the first.");
        _faults = meter.CreateCounter<long>("mesh.client.faults", "{request}", "Requests that were delayed or aborted on purpose.");
        _mirrors = meter.CreateHistogram<double>(
            "mesh.client.mirror.duration", "s", "Of a mirrored request, from its start until its response is read.");
        _mirrorsSkipped = meter.CreateCounter<long>("mesh.client.mirror.skipped", "{request}", "Mirrored requests that were not sent.");
        _refusedRetries = meter.CreateCounter<long>(
            "mesh.client.retries.refused", "{attempt}", "Retries that were not made because of a limit, by destination and limit.");
        _hedges = meter.CreateCounter<long>(
            "mesh.client.hedges", "{attempt}", "Hedges by destination and outcome: won, lost, or refused for want of budget.");
        _handshakes = meter.CreateCounter<long>(
            "mesh.client.tls.handshakes", "{handshake}", "Handshakes by service and result: ok, refused or failed; and why.");
    }

    /// <summary>A connection is secure, or there is none.</summary>
    public void Handshake(string service, string result, string? reason)
    {
        if (!_handshakes.Enabled)
        {
            return;
        }

        var tags = new TagList { { ServiceTag, service }, { "mesh.result", result } };
        if (reason is not null)
        {
            tags.Add("mesh.reason", reason);
        }

        _handshakes.Add(1, tags);
    }

    /// <summary>A hedge was sent, or there is none left to send.</summary>
    public void Hedged(string destination, string outcome)
    {
        if (_hedges.Enabled)
        {
            _hedges.Add(1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("mesh.outcome", outcome));
        }
    }

    /// <summary>Whether somebody wants to know how long requests take.</summary>
    public bool IsMeasuring => _duration.Enabled;

    public Activity? Start(ServiceState service, RouteDecision decision) =>
        s_source.HasListeners() ? StartCore(service, decision) : null;

    public void Retrying(ServiceState service, Activity? activity)
    {
        if (_retries.Enabled)
        {
            _retries.Add(1, new KeyValuePair<string, object?>("mesh.service", service.Name.ToString()));
        }

        activity?.AddEvent(new ActivityEvent("retry"));
    }

    public void RetryRefused(string destination, string limit)
    {
        if (_refusedRetries.Enabled)
        {
            _refusedRetries.Add(
                1, new KeyValuePair<string, object?>(DestinationTag, destination), new KeyValuePair<string, object?>("mesh.limit", limit));
        }
    }

    /// <summary>The logical request has a response. This or <see cref="Failed"/> is called, once.</summary>
    public void Completed(
        Activity? activity, ServiceState service, HttpRequestMessage request, HttpResponseMessage response, TimeSpan duration)
    {
        if (_duration.Enabled)
        {
            Record(service, request, response, null, duration);
        }

        activity?.SetTag("http.response.status_code", (int)response.StatusCode);
    }

    /// <summary>The logical request has none. Always false, for use as the filter of a catch that handles nothing.</summary>
    public bool Failed(Activity? activity, ServiceState service, HttpRequestMessage request, Exception error, TimeSpan duration)
    {
        if (_duration.Enabled)
        {
            Record(service, request, null, error, duration);
        }

        activity?.SetStatus(ActivityStatusCode.Error, error.Message).SetTag("error.type", error.GetType().FullName);
        return false;
    }

    /// <summary>A fault was injected, or left out because there are too many.</summary>
    public void Faulted(ServiceState service, string kind)
    {
        if (_faults.Enabled)
        {
            _faults.Add(1, new(ServiceTag, service.Name.ToString()), new(FaultTag, kind));
        }
    }

    /// <summary>A copy for a mirror was not made or not sent.</summary>
    public void MirrorSkipped(ServiceState service, string reason)
    {
        if (_mirrorsSkipped.Enabled)
        {
            _mirrorsSkipped.Add(1, new(ServiceTag, service.Name.ToString()), new("mesh.reason", reason));
        }
    }

    /// <summary>The span of a mirrored request, not started yet: a child of the original's, or of the caller's own.</summary>
    public Activity? CreateMirror(DestinationState destination, Activity? parent)
    {
        if (!s_source.HasListeners())
        {
            return null;
        }

        var context = (parent ?? Activity.Current)?.Context ?? default;
        var activity = s_source.CreateActivity("mesh shadow " + destination.Service.Name, ActivityKind.Internal, context);
        if (activity is { IsAllDataRequested: true })
        {
            activity.SetTag(ServiceTag, destination.Service.Name.ToString());
            activity.SetTag(DestinationTag, destination.Name);
        }

        return activity;
    }

    /// <summary>A mirrored request has ended, with a status or an error.</summary>
    public void MirrorEnded(ServiceState service, Activity? activity, int status, Exception? error, TimeSpan duration)
    {
        if (_mirrors.Enabled)
        {
            _mirrors.Record(
                duration.TotalSeconds,
                new(ServiceTag, service.Name.ToString()),
                error is null ? new("http.response.status_code", status) : new("error.type", error.GetType().FullName));
        }

        if (error is null)
        {
            activity?.SetTag("http.response.status_code", status);
        }
        else
        {
            activity?.SetStatus(ActivityStatusCode.Error, error.Message).SetTag("error.type", error.GetType().FullName);
        }
    }

    private static Activity? StartCore(ServiceState service, RouteDecision decision)
    {
        var activity = s_source.StartActivity("mesh " + service.Name, ActivityKind.Internal);
        if (activity is { IsAllDataRequested: true })
        {
            activity.SetTag("mesh.service", service.Name.ToString());
            activity.SetTag("mesh.route", decision.Route?.Name);
            activity.SetTag(DestinationTag, decision.Arm?.Destination.Name);
        }

        return activity;
    }

    private void Record(
        ServiceState service, HttpRequestMessage request, HttpResponseMessage? response, Exception? error, TimeSpan duration)
    {
        var tags = new TagList
        {
            { "mesh.service", service.Name.ToString() },
            { "http.request.method", request.Method.Method },
        };
        if (response is not null)
        {
            tags.Add("http.response.status_code", (int)response.StatusCode);
        }
        else
        {
            tags.Add("error.type", error?.GetType().FullName);
        }

        _duration.Record(duration.TotalSeconds, tags);
    }
}
