using System.Text.Json;
using Mesh.Discovery.Routing;
using Mesh.Discovery.Rules;

namespace Mesh.Discovery.Security.Authorization;

/// <summary>A claim of the end user's token: a text, or a list of which one text is enough.</summary>
internal sealed class ClaimCondition(IReadOnlyList<string> name, IReadOnlyList<string> values, SourceLocation location, bool isNot, bool isDenying)
    : Condition(isNot, isDenying)
{
    /// <summary>Istio reads these as lists of words.</summary>
    private readonly bool _isWords = name is ["scope" or "permission"];
    private readonly StringMatcher[] _values = TextMatch.Create(values, ignoreCase: false, location);

    protected override bool Matches(in RequestFacts request)
    {
        if (request.Claims is not { ValueKind: JsonValueKind.Object } claim)
        {
            return false;
        }

        foreach (var part in name)
        {
            if (claim.ValueKind != JsonValueKind.Object || !claim.TryGetProperty(part, out claim))
            {
                return false;
            }
        }

        if (claim.ValueKind != JsonValueKind.Array)
        {
            return MatchesOne(claim);
        }

        foreach (var item in claim.EnumerateArray())
        {
            if (MatchesOne(item))
            {
                return true;
            }
        }

        return false;
    }

    private bool MatchesOne(JsonElement claim)
    {
        if (claim.ValueKind != JsonValueKind.String)
        {
            // Istio knows texts only; what denies is not got around by a number.
            return IsLenient && claim.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False
                && TextMatch.Any(_values, claim.GetRawText());
        }

        var text = claim.GetString()!;
        if (!_isWords)
        {
            return text.Length > 0 && TextMatch.Any(_values, text);
        }

        foreach (var range in text.AsSpan().Split(' '))
        {
            if (!text.AsSpan(range).IsEmpty && TextMatch.Any(_values, text.AsSpan(range)))
            {
                return true;
            }
        }

        return false;
    }
}
