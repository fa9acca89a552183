using System.Text.Json;
using System.Text.Json.Serialization;
using Mesh.Discovery.Rules.Reading;

namespace Mesh.Discovery.Consul;

/// <summary>Go's durations: text such as <c>1m30s</c>, or nanoseconds. A negative one is minus one tick.</summary>
internal sealed class ConsulDuration : JsonConverter<TimeSpan>
{
    public override TimeSpan Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            var nanoseconds = reader.GetInt64();
            return nanoseconds < 0 ? new TimeSpan(-1) : Bounded(TimeSpan.FromTicks(nanoseconds / 100));
        }

        var text = reader.GetString() ?? "";
        if (text.StartsWith('-'))
        {
            return new TimeSpan(-1);
        }

        // Where it is only too long, it has been read all the same.
        return text.Length == 0 ? TimeSpan.Zero
            : DurationText.TryParse(text, out var duration) is null || duration > DurationText.Max ? Bounded(duration)
            : throw new JsonException($"'{text}' is not a duration; allowed are {DurationText.Allowed}");
    }

    public override void Write(Utf8JsonWriter writer, TimeSpan value, JsonSerializerOptions options) =>
        writer.WriteNumberValue((decimal)value.Ticks * 100);

    private static TimeSpan Bounded(TimeSpan duration) => duration < DurationText.Max ? duration : DurationText.Max;
}
