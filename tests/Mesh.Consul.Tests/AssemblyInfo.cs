using Xunit.Sdk;
using Xunit.v3;

// Each of these tests runs an agent of its own; two at a time would only wait for each other.
[assembly: Parallelization(Mode = ParallelMode.None)]
