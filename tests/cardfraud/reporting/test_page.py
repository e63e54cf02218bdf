import re

from cardfraud.reporting import page
from cardfraud.reporting.figures import picture


def test_text_is_escaped_everywhere() -> None:
    """What comes from data can never become markup."""
    bad = "<script>alert(1)</script>"

    html = page.page(
        bad,
        bad,
        page.section(bad, page.paragraph(bad), page.box(bad, passed=False)),
        page.table([bad], [[bad, page.Cell(bad, "n")]]),
        page.cards([(bad, bad)]),
        page.pictures([("<svg></svg>", bad)]),
    )

    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 12


def test_a_page_loads_nothing_from_anywhere() -> None:
    """A report can be mailed: it has no address in it that a browser would fetch."""
    with picture() as drawing:
        drawing.axes.plot([0, 1], [0, 1])

    html = page.page("t", "l", page.pictures([(drawing.svg, "caption")]))

    assert not re.search(r"<(link|script|img|iframe)|url\(http|@import", html)


def test_the_same_numbers_give_the_same_picture() -> None:
    """A picture has no time and no random name in it."""

    def draw() -> str:
        with picture() as drawing:
            drawing.axes.hist([1, 2, 2, 3], bins=3)
        return drawing.svg

    first = draw()

    assert first == draw()
    assert first.startswith("<svg")
