using System.Buffers;
using System.Buffers.Text;
using System.Security.Claims;
using System.Text.Json;
using System.Text.Unicode;
using Mesh.Discovery.Security;

namespace Mesh.Server.Security.Jwt;

/// <summary>What a signed token says, before anybody knows whether it is true.</summary>
/// <remarks>
/// Stricter than the library that verifies it, so that both read the same: no member twice, text that is Unicode, the registered
/// claims of the types that RFC 7519 gives them, no critical headers (RFC 7515, section 4.1.11, of which none is understood here).
/// Keys that a token brings along or points to (<c>jwk</c>, <c>jku</c>, <c>x5c</c>, <c>x5u</c>) are not looked at.
/// </remarks>
internal sealed class ParsedToken
{
    /// <summary>As many characters. Headers as a whole may be twice as long in Kestrel.</summary>
    public const int MaxLength = 16 * 1024;

    private const int MaxDepth = 32;

    private static readonly SearchValues<char> s_base64Url =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly JsonDocumentOptions s_json = new() { AllowDuplicateProperties = false, MaxDepth = MaxDepth };

    private ParsedToken(string text, string payload, string algorithm, string? keyId, string issuer, JsonElement claims)
    {
        Text = text;
        Payload = payload;
        Algorithm = algorithm;
        KeyId = keyId;
        Issuer = issuer;
        Claims = claims;
    }

    public string Text { get; }

    /// <summary>The middle part, base64url.</summary>
    public string Payload { get; }

    public string Algorithm { get; }

    public string? KeyId { get; }

    public string Issuer { get; }

    public string? Subject { get; private init; }

    /// <summary>In seconds since 1970.</summary>
    public double? Expiry { get; private init; }

    /// <summary>In seconds since 1970.</summary>
    public double? NotBefore { get; private init; }

    public JsonElement Claims { get; }

    /// <summary>Whom the library made of it; null until it has verified it.</summary>
    public ClaimsPrincipal? User { get; set; }

    /// <summary>Reads a token.</summary>
    /// <returns>The token, or the reason for refusing it, with its issuer if that is known.</returns>
    public static (ParsedToken? Token, string? Reason, string? Issuer) Parse(string text)
    {
        if (text.Length > MaxLength)
        {
            return (null, JwtReasons.Oversized, null);
        }

        try
        {
            return ParseCore(text);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // The second kind is for text that is not Unicode. None is worth telling: they show what a stranger wrote.
            return (null, JwtReasons.Malformed, null);
        }
    }

    private static (ParsedToken? Token, string? Reason, string? Issuer) ParseCore(string text)
    {
        var parts = text.Split('.', 6);
        if (parts.Length is < 3 or > 5 || parts.AsSpan(0, 2).Contains("") || Array.Exists(parts, static part => part.AsSpan().ContainsAnyExcept(s_base64Url)))
        {
            return (null, JwtReasons.Malformed, null);
        }

        var header = Read(parts[0]);
        if (parts.Length == 5 || header.TryGetProperty("enc", out _))
        {
            return (null, JwtReasons.Encrypted, null);
        }

        if (parts.Length != 3)
        {
            return (null, JwtReasons.Malformed, null);
        }

        if (header.TryGetProperty("crit", out _))
        {
            return (null, JwtReasons.CriticalHeader, null);
        }

        if (String(header, "alg") is not { } algorithm || !VerificationKey.IsAlgorithm(algorithm))
        {
            return (null, JwtReasons.Algorithm, null);
        }

        var claims = Read(parts[1]);
        var issuer = String(claims, "iss");
        if (issuer is null || parts[2].Length == 0 || !IsAudience(claims))
        {
            return (null, issuer is null ? JwtReasons.Issuer : JwtReasons.Malformed, issuer);
        }

        var token = new ParsedToken(text, parts[1], algorithm, String(header, "kid"), issuer, claims)
        {
            Subject = String(claims, "sub"), Expiry = Seconds(claims, "exp"), NotBefore = Seconds(claims, "nbf"),
        };
        return (token, null, issuer);
    }

    /// <summary>A JSON object with well-formed texts only, so that nobody who reads them later fails.</summary>
    private static JsonElement Read(string part)
    {
        var bytes = Base64Url.DecodeFromChars(part);
        if (!Utf8.IsValid(bytes))
        {
            throw new FormatException();
        }

        using var document = JsonDocument.Parse(bytes, s_json);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new FormatException();
        }

        if (bytes.AsSpan().IndexOf("\\u"u8) >= 0)
        {
            CheckTexts(document.RootElement);
        }

        return document.RootElement.Clone();
    }

    private static void CheckTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    CheckTexts(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    _ = member.Name;
                    CheckTexts(member.Value);
                }

                break;
        }
    }

    private static string? String(JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out var value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.String ? value.GetString() is { Length: > 0 } text ? text : null : throw new FormatException();
    }

    private static double? Seconds(JsonElement claims, string name)
    {
        if (!claims.TryGetProperty(name, out var value))
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.GetDouble() is var seconds && double.IsFinite(seconds) ? seconds : throw new FormatException();
    }

    private static bool IsAudience(JsonElement claims) =>
        !claims.TryGetProperty("aud", out var value) || value.ValueKind switch
        {
            JsonValueKind.String => true,
            JsonValueKind.Array => value.EnumerateArray().All(static item => item.ValueKind == JsonValueKind.String),
            _ => false,
        };
}
