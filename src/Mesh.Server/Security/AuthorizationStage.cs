using System.Diagnostics;
using Mesh.Discovery;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Security;
using Mesh.Discovery.Security.Authorization;
using Mesh.Server.Inbound;
using Microsoft.AspNetCore.Http;

namespace Mesh.Server.Security;

/// <summary>
/// Lets requests through to the application that the rules allow. Without rules it is a look; the caller of a denied request learns
/// nothing, the log, the trace and the metric everything.
/// </summary>
internal sealed class AuthorizationStage(
    MeshRuntime runtime, MeshCertificates certificates, MeshOptions options, MeshServerTelemetry telemetry, AuthorizationLog log)
{
    private const string PolicyTag = "mesh.authorization.policy";
    private const string RuleTag = "mesh.authorization.rule";
    private const string ResultTag = "mesh.authorization.result";
    private const string ShadowTag = "mesh.authorization.shadow";
    private const string AuditTag = "mesh.authorization.audit";

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        var authorizer = runtime.Inbound.Authorizer;
        return authorizer is null ? next(context) : DecideAsync(context, authorizer, next);
    }

    private Task DecideAsync(HttpContext context, Authorizer authorizer, RequestDelegate next)
    {
        var facts = RequestFactsReader.Read(
            context, certificates.Current?.Set.Id.TrustDomain ?? options.Security.TrustDomain, options.Security.PathNormalization);
        var decision = authorizer.Decide(in facts);
        telemetry.Authorized(in decision);
        if (Activity.Current is { IsAllDataRequested: true } activity)
        {
            Tag(activity, in decision);
        }

        if (decision.Audit is { } audit)
        {
            log.Audited(in facts, audit);
        }

        if (decision.Denied is { } denied)
        {
            log.Denied(in facts, denied);
            telemetry.Refused(Refusal.Denied);
            return Refusal.AnswerAsync(context, Refusal.Denied);
        }

        if (decision.Shadow is { } shadow)
        {
            log.WouldDeny(in facts, shadow);
        }

        return next(context);
    }

    private static void Tag(Activity activity, in AuthorizationDecision decision)
    {
        activity.SetTag(ResultTag, decision.IsAllowed ? "allowed" : "denied");
        if ((decision.Denied ?? decision.Allowed) is { } hit)
        {
            activity.SetTag(PolicyTag, hit.Policy);
            if (hit.Rule >= 0)
            {
                activity.SetTag(RuleTag, hit.Rule);
            }
        }

        if (decision.Shadow is { } shadow)
        {
            activity.SetTag(ShadowTag, shadow.Policy);
        }

        if (decision.Audit is { } audit)
        {
            activity.SetTag(AuditTag, audit.Policy);
        }
    }
}
