using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;

namespace Bookinfo;

/// <summary>The page as a browser shows it. Everything that comes from a service or a reader is encoded.</summary>
public static class ProductPage
{
    private const string Head = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Bookinfo</title>
        <style>
          :root { --ink: #1d2433; --soft: #667085; --line: #e4e7ec; --paper: #ffffff;
                  --back: #f5f6f8; --accent: #2f5bea; }
          @media (prefers-color-scheme: dark) {
            :root { --ink: #e7eaf0; --soft: #98a2b3; --line: #2b3445; --paper: #171d29;
                    --back: #0f141d; --accent: #8fa8ff; }
            .black { color: #e7eaf0 !important; }
          }
          * { box-sizing: border-box; }
          body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
          header { display: flex; justify-content: space-between; align-items: center; padding: .8rem 1.2rem;
                   background: var(--paper); border-bottom: 1px solid var(--line); }
          header strong { letter-spacing: .02em; }
          form { display: flex; gap: .5rem; align-items: center; margin: 0; color: var(--soft); }
          input, button { font: inherit; padding: .25rem .7rem; border: 1px solid var(--line); border-radius: .5rem;
                          background: var(--back); color: var(--ink); }
          input { width: 8rem; }
          button { cursor: pointer; color: var(--accent); }
          main { max-width: 60rem; margin: 2rem auto; padding: 0 1.2rem; }
          h1 { font-size: 2rem; line-height: 1.2; margin: 0; }
          h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .08em;
               color: var(--soft); margin: 0 0 .8rem; }
          .by { color: var(--soft); margin: .3rem 0 2rem; }
          .columns { display: grid; grid-template-columns: 1fr 1.6fr; gap: 1.2rem; }
          @media (max-width: 46rem) { .columns { grid-template-columns: 1fr; } }
          section { background: var(--paper); border: 1px solid var(--line); border-radius: .9rem;
                    padding: 1.2rem 1.4rem; }
          dl { display: grid; grid-template-columns: auto 1fr; gap: .35rem 1.2rem; margin: 0; }
          dt { color: var(--soft); }
          dd { margin: 0; }
          blockquote { margin: 0 0 1.2rem; }
          blockquote:last-child { margin: 0; }
          blockquote p { margin: 0 0 .2rem; }
          cite { font-style: normal; color: var(--soft); }
          .stars { letter-spacing: .12em; }
          .black { color: #1d2433; }
          .red { color: #d92d20; }
          i { font-style: normal; color: var(--soft); }
        </style>
        </head>
        <body>

        """;

    public static string Render(BookDetails details, BookReviews reviews, string? reader)
    {
        var page = new StringBuilder(Head, 6144);
        page.Append("<header><strong>Bookinfo</strong>").Append(Session(reader)).Append("</header>\n<main>\n");
        page.Append("<h1>").Append(Encode(details.Title)).Append("</h1>\n");
        page.Append("<p class=\"by\">by ").Append(Encode(details.Author)).Append(", ").Append(Number(details.Year));
        page.Append("</p>\n<div class=\"columns\">\n<section>\n<h2>Book details</h2>\n<dl>\n");
        Row("Type", Encode(details.Type));
        Row("Pages", Number(details.Pages));
        Row("Publisher", Encode(details.Publisher));
        Row("Language", Encode(details.Language));
        page.Append("</dl>\n</section>\n<section>\n<h2>Book reviews</h2>\n");
        foreach (var review in reviews.Reviews)
        {
            page.Append("<blockquote>\n<p>").Append(Encode(review.Text)).Append("</p>\n");
            page.Append("<cite>").Append(Encode(review.Reviewer)).Append("</cite> ").Append(Stars(review));
            page.Append("\n</blockquote>\n");
        }

        return page.Append("</section>\n</div>\n</main>\n</body>\n</html>\n").ToString();

        void Row(string name, string value) =>
            page.Append("<dt>").Append(name).Append("</dt><dd>").Append(value).Append("</dd>\n");
    }

    private static string Session(string? reader) => reader is null
        ? """
            <form method="post" action="/login">
            <input name="name" value="jason" aria-label="Name"><button>Sign in</button>
            </form>
            """
        : $"""<form method="post" action="/logout"><span>{Encode(reader)}</span><button>Sign out</button></form>""";

    private static string Stars(BookReview review)
    {
        if (review.Stars is not { } stars)
        {
            return "";
        }

        stars = Math.Clamp(stars, 0, 5);
        var color = review.Color is "red" ? "red" : "black";
        var full = new string('★', stars);
        var empty = new string('☆', 5 - stars);
        return $"""
            <span class="stars {color}" role="img" aria-label="{stars} of 5 stars">{full}<i>{empty}</i></span>
            """;
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Encode(string text) => HtmlEncoder.Default.Encode(text);
}
