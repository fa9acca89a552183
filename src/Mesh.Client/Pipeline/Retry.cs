using System.Globalization;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Client.Pipeline;

/// <summary>The retries of one logical request, as far as others must know of them: the budget and the callee. Made when one fails.</summary>
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

    public void Mark(HttpRequestMessage request, int attempt)
    {
        request.Headers.Remove(AttemptHeader);
        request.Headers.TryAddWithoutValidation(AttemptHeader, attempt.ToString(CultureInfo.InvariantCulture));
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

    private void NoteResend(bool wasSent)
    {
        if (_isResend && !wasSent)
        {
            _budget?.ResendLost();
        }

        _isResend = false;
    }
}
