namespace Mesh.Discovery.Rules.Reading;

/// <summary>
/// Makes of a YAML tree what the same text would be as configuration: keys in any case, and all scalars texts.
/// </summary>
internal static class SectionTree
{
    /// <summary>The tree; keys that differ by their case only are reported.</summary>
    /// <remarks>Recursive: the builder of the tree bounds its depth, and its size with aliases as copies.</remarks>
    public static RuleNode Create(RuleNode node, RuleReading reading) => Create(node, "", reading);

    private static RuleNode Create(RuleNode node, string path, RuleReading reading)
    {
        switch (node)
        {
            case MapNode map:
                var result = new MapNode(map.Origin, map.Line, StringComparer.OrdinalIgnoreCase);
                foreach (var entry in map.Entries)
                {
                    var below = reading.Join(path, entry.Key);
                    if (!result.TryAdd(entry with { Value = Create(entry.Value, below, reading) }))
                    {
                        reading.Error(
                            new SourceLocation(entry.Value.Origin, below, entry.Line),
                            $"duplicate key {RuleText.Quote(entry.Key)}; case makes no difference here");
                    }
                }

                return result;
            case ListNode list:
                var items = new ListNode(list.Origin, list.Line);
                for (var i = 0; i < list.Items.Count; i++)
                {
                    items.Add(Create(list.Items[i], reading.Join(path, i), reading));
                }

                return items;
            default:
                var scalar = (ScalarNode)node;
                return new ScalarNode(scalar.Origin, scalar.Line, scalar.Text, plain: false);
        }
    }
}
