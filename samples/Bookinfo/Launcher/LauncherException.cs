namespace Bookinfo.Launcher;

/// <summary>The demo cannot go on; the message is for the person in front of it.</summary>
internal sealed class LauncherException(string message) : Exception(message);
