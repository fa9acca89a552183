using Bookinfo.Launcher;

// The demo: starts the six services as processes, drives load through the product page and shows what the mesh does.
return await CommandLine.InvokeAsync(args);
