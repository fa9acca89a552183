using System.Globalization;

namespace Mesh.Server.Security;

/// <summary>So many lines of the log a second, for what strangers can cause: the next line says how many are missing.</summary>
/// <remarks>Safe for concurrent use.</remarks>
internal sealed class LineLimit(TimeProvider time, int perSecond)
{
    private readonly Lock _lock = new();
    private long _second = time.GetTimestamp();
    private int _lines;
    private long _leftOut;

    /// <param name="leftOut">The end of the line: a sentence of its own if lines are missing, otherwise empty.</param>
    public bool TryTake(out string leftOut)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            if (time.GetElapsedTime(_second, now) >= TimeSpan.FromSeconds(1))
            {
                (_second, _lines) = (now, 0);
            }

            if (_lines >= perSecond)
            {
                _leftOut++;
                leftOut = "";
                return false;
            }

            _lines++;
            leftOut = _leftOut == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" {_leftOut} like it before were not logged.");
            _leftOut = 0;
            return true;
        }
    }
}
