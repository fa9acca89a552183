using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Consul.Filters;

/// <summary>
/// An expression of Consul's filter language over one instance, as service-resolvers select subsets by:
/// <c>Service.Meta.version == v2 and "canary" not in Service.Tags</c>.
/// </summary>
/// <remarks>
/// The language is that of github.com/hashicorp/go-bexpr. Names and values compare with regard to case. Of a key that
/// a map lacks, <c>!=</c>, <c>not in</c>, <c>not matches</c> and <c>is empty</c> are true and their opposites are false.
/// An endpoint that is not from Consul has its labels as <c>Service.Meta</c>, and nothing else.
/// </remarks>
internal sealed class FilterExpression : EndpointFilter
{
    /// <summary>Longer ones are refused.</summary>
    public const int MaxLength = 8192;

    private readonly Predicate<Endpoint> _matches;

    private FilterExpression(string text, Predicate<Endpoint> matches)
    {
        Text = text;
        _matches = matches;
    }

    public override string Text { get; }

    /// <exception cref="FilterException">It is no expression, or asks for what is not supported.</exception>
    public static FilterExpression Parse(string text) => text.Length <= MaxLength
        ? new FilterExpression(text, new FilterParser(text).Parse())
        : throw new FilterException(MaxLength, $"the expression has {text.Length} characters; at most {MaxLength} are allowed");

    public override bool Matches(Endpoint endpoint) => _matches(endpoint);

    public override string ToString() => Text;
}
