using CsCheck;
using Mesh.Discovery.Runtime.Resilience;

namespace Mesh.Discovery.Tests.Runtime.Resilience;

/// <summary>Whatever endpoints, attempts, rules and time do.</summary>
public class OutlierPropertyTests
{
    private static readonly Gen<Step[]> s_steps = Gen.Frequency(
        (8, Gen.Int[1, 8].Select(Gen.Int[1, 7], static (endpoint, times) => new Step(StepKind.Fail, endpoint, times))),
        (3, Gen.Int[1, 8].Select(static endpoint => new Step(StepKind.Succeed, endpoint, 1))),
        (2, Gen.Int[1, 90].Select(static seconds => new Step(StepKind.Pass, seconds, 0))),
        (2, Gen.Int[0, 255].Select(Gen.Int[0, 255], static (present, sick) => new Step(StepKind.Catalog, present, sick))),
        (1, Gen.Int[0, 100].Select(Gen.Int[0, 100], static (share, health) => new Step(StepKind.Rule, share, health)))).Array[1, 40];

    private enum StepKind
    {
        Fail,
        Succeed,
        Pass,
        Catalog,
        Rule,
    }

    [Fact]
    public void AnyHistory_Views_KeepTheLimitAndNeverBecomeEmpty() => s_steps.Sample(
        static steps =>
        {
            var settings = new OutlierDetectionConfig { MaxEjectionPercent = 40 };
            var mesh = new ResilienceFixture(settings).With(1, 2, 3, 4, 5);
            foreach (var step in steps)
            {
                switch (step.Kind)
                {
                    case StepKind.Fail or StepKind.Succeed
                        when mesh.View.Detector is not null && mesh.Service.Endpoints.Any(e => e.Endpoint.Address.Port == 1000 + step.A):
                        mesh.Report(step.A, step.Kind == StepKind.Fail ? AttemptResult.GatewayError : AttemptResult.Good, step.B);
                        break;
                    case StepKind.Pass:
                        mesh.Pass(step.A);
                        break;
                    case StepKind.Catalog:
                        mesh.With([.. Enumerable.Range(0, 8).Where(i => (step.A >> i & 1) == 1).Select(i => (step.B >> i & 1) == 1 ? -i - 1 : i + 1)]);
                        break;
                    case StepKind.Rule:
                        mesh.Use(settings = settings with { MaxEjectionPercent = step.A, MinHealthPercent = step.B });
                        break;
                    default:
                        break;
                }

                Check(mesh, settings);
            }

            mesh.Pass(1000);
            Assert.Equal(Healthy(mesh), mesh.View.Endpoints.Length);
            Assert.False(mesh.View.IsPanicking);
        },
        iter: 2000);

    private static void Check(ResilienceFixture mesh, OutlierDetectionConfig settings)
    {
        var view = mesh.View;
        var healthy = Healthy(mesh);
        var ejected = view.Detector?.Describe().Count(static e => e.Endpoint.Endpoint.Health == EndpointHealth.Healthy) ?? 0;

        Assert.True(ejected <= EjectionLimit.Of(healthy, settings.MaxEjectionPercent));
        Assert.Equal(healthy > 0, view.Endpoints.Length > 0);
        Assert.All(view.Endpoints, static e => Assert.Equal(EndpointHealth.Healthy, e.Endpoint.Health));
        var isTooFew = (healthy - ejected) * 100 < settings.MinHealthPercent * mesh.Service.Endpoints.Length;
        Assert.Equal(ejected > 0 && isTooFew, view.IsPanicking);
        Assert.Equal(view.IsPanicking ? healthy : healthy - ejected, view.Endpoints.Length);
    }

    private static int Healthy(ResilienceFixture mesh) =>
        mesh.Service.Endpoints.Count(static e => e.Endpoint.Health == EndpointHealth.Healthy);

    private sealed record Step(StepKind Kind, int A, int B);
}
