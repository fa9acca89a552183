using System.Diagnostics.Metrics;
using Mesh.Discovery.Security.Authorization;

namespace Mesh.Server.Inbound;

/// <summary>Metrics of inbound requests.</summary>
internal sealed class MeshServerTelemetry
{
    /// <summary>The name of the meter.</summary>
    public const string Name = "Mesh.Server";

    private const string DecisionTag = "mesh.authorization.decision";
    private const string ActionTag = "mesh.authorization.action";
    private const string PolicyTag = "mesh.authorization.policy";

    private readonly Meter _meter;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _authorized;
    private readonly Counter<long> _shadow;
    private readonly Counter<long> _authentication;

    public MeshServerTelemetry(IMeterFactory meters)
    {
        _meter = meters.Create(Name);
        _refused = _meter.CreateCounter<long>(
            "mesh.server.refused", "{request}", "Requests that the mesh answered in place of the application, by reason.");
        _authorized = _meter.CreateCounter<long>(
            "mesh.server.authorization", "{request}", "Requests that authorization rules decided about, by decision, action and policy.");
        _shadow = _meter.CreateCounter<long>(
            "mesh.server.authorization.shadow", "{request}",
            "Requests that a policy in dry run would have denied, and those that an AUDIT policy matched, by action and policy.");
        _authentication = _meter.CreateCounter<long>(
            "mesh.server.authentication", "{request}", "Requests to a process with rules about tokens, by what became of the token.");
    }

    public void Refused(Refusal refusal) => _refused.Add(1, new KeyValuePair<string, object?>("mesh.reason", refusal.Reason));

    /// <summary>Nothing that a caller can make up is a tag.</summary>
    public void Authorized(in AuthorizationDecision decision)
    {
        if (_authorized.Enabled)
        {
            var hit = decision.Denied ?? decision.Allowed;
            _authorized.Add(
                1,
                new KeyValuePair<string, object?>(DecisionTag, decision.IsAllowed ? "allowed" : "denied"),
                new KeyValuePair<string, object?>(ActionTag, hit?.Action ?? "none"),
                new KeyValuePair<string, object?>(PolicyTag, hit?.Policy ?? ""));
        }

        if (decision.Shadow is { } shadow)
        {
            Shadow("would-deny", shadow);
        }

        if (decision.Audit is { } audit)
        {
            Shadow("audit", audit);
        }
    }

    private void Shadow(string decision, RuleHit hit) => _shadow.Add(
        1,
        new KeyValuePair<string, object?>(DecisionTag, decision),
        new KeyValuePair<string, object?>(ActionTag, hit.Action),
        new KeyValuePair<string, object?>(PolicyTag, hit.Policy));

    /// <param name="result"><c>accepted</c>, <c>refused</c>, or <c>anonymous</c> for a request without a token.</param>
    /// <param name="reason">Why it was refused.</param>
    public void Authenticated(string result, string? reason = null)
    {
        if (reason is null)
        {
            _authentication.Add(1, new KeyValuePair<string, object?>("mesh.result", result));
        }
        else
        {
            _authentication.Add(1, new("mesh.result", result), new("mesh.reason", reason));
        }
    }

    /// <summary>Shows a limit that finds itself.</summary>
    public void Observe(InboundAdmission admission)
    {
        _meter.CreateObservableGauge("mesh.server.limit", () => admission.Limit.Value, "{request}", "How many requests are served at a time.");
        _meter.CreateObservableUpDownCounter("mesh.server.in_flight", () => admission.InFlight, "{request}", "Requests that are being served.");
        _meter.CreateObservableUpDownCounter("mesh.server.waiting", () => admission.Waiting, "{request}", "Requests that wait for a place.");
        _meter.CreateObservableCounter(
            "mesh.server.over_limit", () => admission.OverLimit, "{request}", "Requests that came when the limit was reached, refused or not.");
    }
}
