using System.Globalization;
using Mesh.Discovery.Runtime;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>The attempts of one logical request after the first: what they need to know of the earlier ones, the budget and the callee of them. Made when one fails.</summary>
internal sealed class Retry
{
    /// <summary>On a request that is not the first attempt: which one it is, from 2.</summary>
    public const string AttemptHeader = "x-mesh-attempt";

    /// <summary>On a response: the callee, or one that it called, has no retries left, so nobody above should retry either.</summary>
    public const string NoRetryHeader = "x-mesh-no-retry";

    /// <summary>A value of <see cref="NoRetryHeader"/>: the callee has too much to do, and is otherwise well.</summary>
    public const string Overload = "overload";

    private RetryBudget? _budget;
    private bool _isResend;
    private HttpRequestMessage? _marked;

    /// <summary>The attempt under way: 1 for the first retry.</summary>
    public int Attempt { get; private set; }

    /// <summary>The endpoints of all attempts before.</summary>
    public EndpointState[] Tried { get; private set; } = [];

    /// <summary>How the last attempt failed; null if it had a response.</summary>
    public Exception? LastError { get; private set; }

    /// <summary>Notes an attempt that another one will follow.</summary>
    public void Failed(in FailedAttempt attempt)
    {
        Attempt++;
        Tried = [.. Tried, .. attempt.Endpoints];
        LastError = attempt.Error;
    }

    /// <summary>Takes a retry from the budget of the destination.</summary>
    /// <returns>What forbids it; null if nothing does.</returns>
    public string? TryBegin(RetryBudget budget, int? maxRetries, bool wasSent, long now, out bool tell)
    {
        NoteResend(wasSent);
        if (_budget is not null && _budget != budget)
        {
            _budget.EndRetry();
            _budget = null;
        }

        var limit = budget.TryRetry(now, maxRetries, isActive: _budget is not null, wasSent, out _isResend, out tell);
        if (limit is null)
        {
            _budget = budget;
        }

        return limit;
    }

    public void Mark(HttpRequestMessage request)
    {
        request.Headers.Remove(AttemptHeader);
        request.Headers.TryAddWithoutValidation(AttemptHeader, NumberText(Attempt + 1));
        _marked = request;
    }

    /// <summary>There will be no other attempt, and the last one has a response, or none. The message is the caller's again, who may send it once more.</summary>
    public void End(bool wasSent)
    {
        NoteResend(wasSent);
        if (_budget is not null)
        {
            _budget.EndRetry();
            _budget = null;
        }

        if (_marked is not null)
        {
            _marked.Headers.Remove(AttemptHeader);
            _marked = null;
        }
    }

    public static string NumberText(int attempt) => attempt.ToString(CultureInfo.InvariantCulture);

    private void NoteResend(bool wasSent)
    {
        if (_isResend && !wasSent)
        {
            _budget?.ResendLost();
        }

        _isResend = false;
    }
}
