namespace Bookinfo;

/// <summary>What the ratings service knows of a book: reviewer → one to five stars.</summary>
public sealed record BookRatings(int Id, IReadOnlyDictionary<string, int> Ratings);
