using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Runtime.ExceptionServices;
using Polly;

namespace Mesh.Client.Resilience;

/// <summary>
/// The resilience pipelines of the application, each with one instance for each destination or service that it is attached to, so
/// that its breakers and limiters do not mix them. Instances live as long as the process. Safe for concurrent use.
/// </summary>
/// <remarks>What names a type of Polly's is in methods that only run where there is a pipeline.</remarks>
internal sealed class ApplicationPipelines
{
    private readonly FrozenDictionary<string, ApplicationPipeline> _registered;
    private readonly ConcurrentDictionary<(string Pipeline, string Owner), object> _instances = new();
    private readonly IServiceProvider _services;
    private readonly TimeProvider _time;

    /// <exception cref="InvalidOperationException">Two pipelines have one name.</exception>
    public ApplicationPipelines(IEnumerable<ApplicationPipeline> registered, IServiceProvider services, TimeProvider time)
    {
        var all = registered.ToList();
        var twice = all.GroupBy(static pipeline => pipeline.Name, StringComparer.OrdinalIgnoreCase).Where(static group => group.Count() > 1).ToList();
        if (twice.Count > 0)
        {
            throw new InvalidOperationException(string.Join(
                Environment.NewLine, twice.Select(static group => $"The resilience pipeline '{group.Key}' is registered {group.Count()} times; each name is wanted once.")));
        }

        _registered = all.ToFrozenDictionary(static pipeline => pipeline.Name, StringComparer.OrdinalIgnoreCase);
        _services = services;
        _time = time;
        Names = _registered.Keys.ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>What rules may name.</summary>
    public IReadOnlySet<string> Names { get; }

    /// <summary>Runs a pipeline around a request. What it sends are copies, so that each one starts from the same message.</summary>
    /// <param name="name">The pipeline.</param>
    /// <param name="owner">What it is attached to.</param>
    /// <param name="request">The request, which is not changed.</param>
    /// <param name="send">What the pipeline does once or several times.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="PipelineRejectedException">The pipeline has thrown something that <paramref name="send"/> has not.</exception>
    public async Task<HttpResponseMessage> SendAsync(
        string name, string owner, HttpRequestMessage request, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> send,
        CancellationToken cancel)
    {
        var pipeline = (ResiliencePipeline<HttpResponseMessage>)_instances.GetOrAdd((name, owner), Create);
        var run = new PipelineRun(name, request, send);
        var context = ResilienceContextPool.Shared.Get(owner, continueOnCapturedContext: false, cancel);

        // Under the name that Microsoft.Extensions.Http.Resilience gives it, so that strategies made for that find it.
        context.Properties.Set(new ResiliencePropertyKey<HttpRequestMessage?>("Resilience.Http.RequestMessage"), request);
        Outcome<HttpResponseMessage> outcome;
        try
        {
            outcome = await pipeline.ExecuteOutcomeAsync(static (context, run) => run.SendAsync(context), context, run).ConfigureAwait(false);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }

        if (outcome.Exception is not { } error)
        {
            return outcome.Result ?? throw run.Refuse($"the resilience pipeline '{name}' has returned null and no response", null);
        }

        if (run.HasThrown(error) || (error is OperationCanceledException && cancel.IsCancellationRequested))
        {
            ExceptionDispatchInfo.Throw(error);
        }

        throw run.Refuse($"the resilience pipeline '{name}' of {owner} has ended the request: {error.Message}", error);
    }

    private object Create((string Pipeline, string Owner) key)
    {
        var builder = new ResiliencePipelineBuilder<HttpResponseMessage> { Name = key.Pipeline, InstanceName = key.Owner, TimeProvider = _time };
        _registered[key.Pipeline].Configure(builder, _services);
        return builder.Build();
    }
}
