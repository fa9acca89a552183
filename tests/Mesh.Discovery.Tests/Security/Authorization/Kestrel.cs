using System.Text;

namespace Mesh.Discovery.Tests.Security.Authorization;

/// <summary>
/// The path that Kestrel gives the application: percent-decoded once but for the slash, then without dot segments. The tests of
/// Mesh.Server ask Kestrel itself.
/// </summary>
internal static class Kestrel
{
    public static string PathOf(string target)
    {
        var question = target.IndexOf('?');
        var path = question < 0 ? target : target[..question];
        var bytes = new List<byte>();
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] == '%' && i + 2 < path.Length && char.IsAsciiHexDigit(path[i + 1]) && char.IsAsciiHexDigit(path[i + 2])
                && Convert.ToByte(path.Substring(i + 1, 2), 16) is var value and not (byte)'/')
            {
                bytes.Add(value);
                i += 2;
            }
            else
            {
                bytes.AddRange(Encoding.UTF8.GetBytes(path[i].ToString()));
            }
        }

        var result = new List<string>();
        var segments = Encoding.UTF8.GetString([.. bytes]).Split('/')[1..];
        for (var i = 0; i < segments.Length; i++)
        {
            if (segments[i] == ".." && result.Count > 0)
            {
                result.RemoveAt(result.Count - 1);
            }

            if (segments[i] is not ("." or ".."))
            {
                result.Add(segments[i]);
            }
            else if (i == segments.Length - 1)
            {
                result.Add("");
            }
        }

        return "/" + string.Join('/', result);
    }
}
