namespace Mesh.Client.Tests.LoadBalancing;

public sealed class LeastRequestTests
{
    [Fact]
    public void Pick_TwoEndpoints_AlwaysTheLessLoaded()
    {
        var endpoints = Balancers.Endpoints(1, 1);
        var picker = Balancers.Picker("LEAST_REQUEST", endpoints);
        endpoints[0].Enter();

        for (var i = 0; i < 100; i++)
        {
            Assert.Same(endpoints[1], picker.Pick());
        }
    }

    [Fact]
    public void Pick_OneBusyAmongTen_BusyGetsNothing()
    {
        var endpoints = Balancers.Endpoints(1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        var picker = Balancers.Picker("LEAST_REQUEST", endpoints);
        endpoints[3].Enter();

        Assert.DoesNotContain(endpoints[3], Enumerable.Range(0, 1_000).Select(_ => picker.Pick()));
    }

    [Fact]
    public void Pick_OneEndpointHangs_OthersTakeTheLoad()
    {
        var endpoints = Balancers.Endpoints(1, 1, 1);

        var picked = new Simulation(endpoints, "LEAST_REQUEST", seed: 1)
        {
            ServiceTime = (endpoint, _) => TimeSpan.FromMilliseconds(endpoint == endpoints[0] ? 10_000 : 10),
        }.Run(callers: 12, requests: 10_000);

        Assert.InRange(picked.Count(endpoint => endpoint == endpoints[0]), 1, 100);
    }

    /// <summary>The two-choices result itself: the fullest of 100 endpoints holds far less than with random picks.</summary>
    [Fact]
    public void Pick_ManyInFlight_FullestIsNearTheMean()
    {
        var fullest = Fullest("LEAST_REQUEST");

        Assert.InRange(fullest, 10, 14);
        Assert.InRange(Fullest("RANDOM"), fullest + 3, 40);

        static int Fullest(string policy)
        {
            var endpoints = Balancers.Endpoints([.. Enumerable.Repeat(1, 100)]);
            var picker = Balancers.Picker(policy, endpoints);
            for (var i = 0; i < 1_000; i++)
            {
                picker.Pick().Enter();
            }

            return endpoints.Max(endpoint => endpoint.InFlight);
        }
    }

    [Fact]
    public void Pick_UnequalWeightsUnderLoad_InFlightBalancesPerWeight()
    {
        var endpoints = Balancers.Endpoints(1, 3);
        var picker = Balancers.Picker("LEAST_REQUEST", endpoints);
        for (var i = 0; i < 400; i++)
        {
            picker.Pick().Enter();
        }

        Assert.InRange(endpoints[0].InFlight, 95, 105);
    }

    [Fact]
    public void CreatePicker_WeightChangesLater_PickerKeepsWhatItRead()
    {
        var endpoints = Balancers.Endpoints(1, 1);
        var picker = Balancers.Picker("LEAST_REQUEST", endpoints);
        endpoints[0].Endpoint = endpoints[0].Endpoint with { Weight = 1_000_000 };

        var picked = Enumerable.Range(0, 2_000).Count(_ => picker.Pick() == endpoints[0]);

        Assert.InRange(picked, 900, 1_100);
    }
}
