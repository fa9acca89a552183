using Xunit.Sdk;
using Xunit.v3;

// Each of these tests starts several processes; two at a time would only wait for each other.
[assembly: Parallelization(Mode = ParallelMode.None)]
