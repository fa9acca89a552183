namespace Bookinfo;

/// <summary>What the details service knows of a book.</summary>
public sealed record BookDetails(
    int Id,
    string Title,
    string Author,
    int Year,
    string Type,
    int Pages,
    string Publisher,
    string Language);
