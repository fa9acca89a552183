namespace Bookinfo;

/// <summary>What the reviews service says of a book; without stars unless a version adds them.</summary>
public sealed record BookReviews(int Id, IReadOnlyList<BookReview> Reviews)
{
    /// <summary>The reviews of a book, as every version has them.</summary>
    public static BookReviews Of(int id) => new(id,
    [
        new("Reviewer1", "Two pairs of twins, one day, and not a quiet minute. I laughed all the way home."),
        new("Reviewer2", "Quick, silly and well made. Do not look for the depth of the later plays."),
    ]);

    /// <summary>The same reviews with stars.</summary>
    public BookReviews WithStars(BookRatings ratings, string color) => this with
    {
        Reviews = [.. Reviews.Select(review => ratings.Ratings.TryGetValue(review.Reviewer, out var stars)
            ? review with { Stars = stars, Color = color }
            : review)],
    };
}

/// <summary>One review.</summary>
public sealed record BookReview(string Reviewer, string Text, int? Stars = null, string? Color = null);
