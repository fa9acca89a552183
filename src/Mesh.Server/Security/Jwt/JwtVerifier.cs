using System.Collections.Frozen;
using System.Text.Encodings.Web;
using Mesh.Discovery.Rules;
using Mesh.Discovery.Security;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Mesh.Server.Security.Jwt;

/// <summary>Verifies tokens by some rules. Immutable but for the keys.</summary>
/// <remarks>
/// <para>A token is good by a rule if that has its issuer and all places at which it was found, and the signature, the audience and
/// the times are right; of several such rules one is enough, as in Envoy.</para>
/// <para>The signature and the claims are <see cref="JwtBearerHandler"/>'s to verify, one for each request, with options for each rule
/// that no service collection knows: rules come and go, schemes of an application do not. What it does not look at
/// (<see cref="ParsedToken"/>), and what would cost a signature, comes before. Keys are fetched here and not by its
/// <c>ConfigurationManager</c>, whose clock cannot be set and which has no limit that a rule could give it.</para>
/// </remarks>
internal sealed class JwtVerifier
{
    private const string AuthenticationType = "Mesh.EndUser";

    /// <summary>Envoy's default.</summary>
    private static readonly TimeSpan s_skew = TimeSpan.FromSeconds(60);

    private readonly Rule[] _rules;
    private readonly TokenLocation[] _locations;
    private readonly TimeProvider _time;

    /// <param name="rules">The rules.</param>
    /// <param name="keys">The keys of each.</param>
    /// <param name="time">The clock.</param>
    public JwtVerifier(IReadOnlyList<JwtRuleConfig> rules, Func<JwtRuleConfig, IssuerKeys> keys, TimeProvider time)
    {
        _time = time;
        _rules = [.. rules.Select(rule => new Rule(rule, keys(rule), time))];
        _locations = [.. _rules.SelectMany(static rule => rule.Locations).Distinct()];
        OutputHeaders =
        [
            .. rules.SelectMany(static rule => rule.OutputClaimToHeaders.Select(static output => output.Header).Append(rule.OutputPayloadToHeader))
                .OfType<string>().Distinct(StringComparer.OrdinalIgnoreCase),
        ];
    }

    /// <summary>Headers that nobody but the verifier may set.</summary>
    public IReadOnlyList<string> OutputHeaders { get; }

    /// <summary>Whether there is a token.</summary>
    /// <param name="request">The request.</param>
    /// <param name="found">All places at which there is one; null if there is none.</param>
    /// <returns>False if it cannot be told which token is meant.</returns>
    public bool TryFind(HttpRequest request, out IReadOnlyList<FoundToken>? found)
    {
        var all = new List<FoundToken>();
        var isClear = true;
        foreach (var location in _locations)
        {
            isClear &= TokenFinder.TryFind(request, location, all);
        }

        found = all.Count > 0 ? all : null;
        return isClear && all.TrueForAll(token => token.Text == all[0].Text);
    }

    public async ValueTask<JwtOutcome> VerifyAsync(HttpContext context, IReadOnlyList<FoundToken> found)
    {
        var (token, reason, issuer) = ParsedToken.Parse(found[0].Text);
        if (token is null)
        {
            return new JwtOutcome(reason!, issuer);
        }

        var failure = JwtReasons.Issuer;
        foreach (var rule in _rules)
        {
            if (!rule.Config.Issuer.Equals(token.Issuer, StringComparison.Ordinal) || !found.All(one => rule.Locations.Contains(one.Location)))
            {
                continue;
            }

            failure = CheckTimes(token) ?? await rule.VerifyAsync(context, token);
            if (failure is null)
            {
                return new JwtOutcome(rule.Config, token);
            }
        }

        return new JwtOutcome(failure, token.Issuer);
    }

    /// <summary>Before the signature, which costs more.</summary>
    private string? CheckTimes(ParsedToken token)
    {
        if (token.Expiry is null)
        {
            return JwtReasons.NoExpiry;
        }

        var now = SecondsNow(_time);
        return now > token.Expiry + s_skew.TotalSeconds ? JwtReasons.Expired
            : now < token.NotBefore - s_skew.TotalSeconds ? JwtReasons.NotYetValid
            : null;
    }

    private static double SecondsNow(TimeProvider time) => time.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;

    /// <summary>One rule.</summary>
    private sealed class Rule
    {
        private static readonly FrozenSet<string> s_algorithms =
            FrozenSet.ToFrozenSet(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]);

        private readonly IssuerKeys _keys;
        private readonly FixedOptions _options;
        private readonly AuthenticationScheme _scheme;

        public Rule(JwtRuleConfig config, IssuerKeys keys, TimeProvider time)
        {
            Config = config;
            _keys = keys;
            Locations = LocationsOf(config);
            _scheme = new AuthenticationScheme(AuthenticationType, null, typeof(JwtBearerHandler));
            _options = new FixedOptions(CreateOptions(config, keys, time));
        }

        public JwtRuleConfig Config { get; }

        public FrozenSet<TokenLocation> Locations { get; }

        /// <summary>Why the token is bad; null, and the user is set in the token, if it is good.</summary>
        public async ValueTask<string?> VerifyAsync(HttpContext context, ParsedToken token)
        {
            if (await _keys.GetAsync(context.RequestAborted) is not { } table)
            {
                return JwtReasons.NoKeys;
            }

            var hasKey = table.For(token.Algorithm, token.KeyId).Count > 0;
            var failure = hasKey ? await HandleAsync(context, token) : JwtReasons.UnknownKey;

            // The issuer may have another key by now, which a token without a name for it does not tell.
            if (failure == JwtReasons.UnknownKey || (failure == JwtReasons.Signature && token.KeyId is null))
            {
                var newer = await _keys.GetNewerAsync(table, context.RequestAborted);
                if (newer is not null && newer != table && newer.For(token.Algorithm, token.KeyId).Count > 0)
                {
                    failure = await HandleAsync(context, token);
                }
            }

            return failure;
        }

        private async Task<string?> HandleAsync(HttpContext context, ParsedToken token)
        {
            context.Features.Set(token);
            try
            {
                var handler = new JwtBearerHandler(_options, NullLoggerFactory.Instance, UrlEncoder.Default);
                await handler.InitializeAsync(_scheme, context);
                var result = await handler.AuthenticateAsync();
                if (result.Succeeded)
                {
                    token.User = result.Principal;
                    return null;
                }

                return ReasonOf(result.Failure);
            }
            finally
            {
                context.Features.Set<ParsedToken>(null);
            }
        }

        private static FrozenSet<TokenLocation> LocationsOf(JwtRuleConfig config)
        {
            var result = config.FromHeaders.Select(static header => TokenLocation.Header(header.Name, header.Prefix))
                .Concat(config.FromParams.Select(TokenLocation.Parameter))
                .Concat(config.FromCookies.Select(TokenLocation.Cookie)).ToFrozenSet();
            return result.Count > 0 ? result : TokenLocation.Defaults.ToFrozenSet();
        }

        private static JwtBearerOptions CreateOptions(JwtRuleConfig config, IssuerKeys keys, TimeProvider time)
        {
            var options = new JwtBearerOptions
            {
                SaveToken = false,
                TimeProvider = time,
                Events = new TokenEvents(),
                TokenValidationParameters = new TokenValidationParameters
                {
                    AuthenticationType = AuthenticationType,
                    NameClaimType = "sub",
                    RoleClaimType = "roles",
                    RequireSignedTokens = true,
                    ValidAlgorithms = s_algorithms,
                    TryAllIssuerSigningKeys = false,
                    IssuerSigningKeyResolver = (_, token, keyId, _) => Resolve(keys, token, keyId),
                    ValidateIssuer = true,
                    ValidIssuer = config.Issuer,
                    ValidateAudience = config.Audiences.Count > 0,
                    ValidAudiences = config.Audiences,
                    IgnoreTrailingSlashWhenValidatingAudience = false,
                    RequireExpirationTime = true,
                    ValidateLifetime = true,
                    ClockSkew = s_skew,

                    // The library's own one asks the machine's clock.
                    LifetimeValidator = (notBefore, expires, _, _) => expires is not null
                        && time.GetUtcNow().UtcDateTime is var now && now - s_skew <= expires && (notBefore is null || now + s_skew >= notBefore),
                },
            };
            options.TokenHandlers.Clear();
            options.TokenHandlers.Add(new JsonWebTokenHandler { MapInboundClaims = false, MaximumTokenSizeInBytes = ParsedToken.MaxLength });
            return options;
        }

        private static IReadOnlyList<SecurityKey> Resolve(IssuerKeys keys, SecurityToken token, string? keyId) =>
            token is JsonWebToken jwt && keys.Current is { } table && VerificationKey.IsAlgorithm(jwt.Alg) ? table.For(jwt.Alg, keyId) : [];

        private static string ReasonOf(Exception? failure) => failure switch
        {
            SecurityTokenExpiredException => JwtReasons.Expired,
            SecurityTokenNotYetValidException => JwtReasons.NotYetValid,
            SecurityTokenNoExpirationException => JwtReasons.NoExpiry,
            SecurityTokenInvalidAudienceException => JwtReasons.Audience,
            SecurityTokenInvalidAlgorithmException => JwtReasons.Algorithm,
            SecurityTokenInvalidIssuerException => JwtReasons.Issuer,
            SecurityTokenInvalidSignatureException => JwtReasons.Signature,
            _ => JwtReasons.Malformed,
        };
    }

    /// <summary>Gives the handler the token that was found, wherever that was.</summary>
    private sealed class TokenEvents : JwtBearerEvents
    {
        public override Task MessageReceived(MessageReceivedContext context)
        {
            context.Token = context.HttpContext.Features.Get<ParsedToken>()!.Text;
            return Task.CompletedTask;
        }

        /// <summary>Whatever went wrong is a refusal: without this the handler throws what it did not expect.</summary>
        public override Task AuthenticationFailed(AuthenticationFailedContext context)
        {
            context.Fail(context.Exception);
            return Task.CompletedTask;
        }
    }
}
