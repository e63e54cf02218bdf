import re
from dataclasses import dataclass

from cardfraud.reporting import page
from cardfraud.reporting.figures import dates, legend, picture, thresholds

BAD = '<script>alert("1")</script>'
SVG = "<svg></svg>"


@dataclass(frozen=True)
class Line:
    """A check of some verdict."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str


def test_text_is_escaped_everywhere() -> None:
    """What comes from data can never become markup, neither as text nor in an attribute."""
    chart = page.Chart(BAD, BAD, SVG)

    html = page.page(
        BAD,
        BAD,
        page.section(BAD, page.paragraph(BAD), page.note(BAD)),
        page.subsection(BAD, page.box(BAD, passed=False, checks=[(False, BAD)])),
        page.table([BAD], [[BAD, page.Cell(BAD, "n")]]),
        page.check_table([Line(BAD, False, 0.1, 1.0, BAD)]),
        page.cards([(BAD, BAD)]),
        page.answers([page.Answer(BAD, BAD, BAD, good=True)]),
        page.facts([(BAD, BAD)]),
        page.link(BAD, BAD),
        page.sides(page.pictures([chart]), page.wide_picture(chart)),
        BAD,
    )

    assert "<script" not in html
    assert 'alert("' not in html
    assert html.count("&lt;script&gt;") == 30


def test_a_picture_is_named_for_who_cannot_see_it() -> None:
    """A chart's title is its heading and the name of the drawing."""
    html = page.pictures([page.Chart("Amounts", "How to read it.", SVG)])

    assert '<svg role="img" aria-label="Amounts">' in html
    assert "<b>Amounts</b>How to read it." in html


def test_a_page_loads_nothing_from_anywhere() -> None:
    """A report can be mailed: it fetches nothing, runs nothing and tells the browser so."""
    with picture() as drawing:
        drawing.axes.plot([0, 1], [0, 1])

    html = page.page("t", "l", page.pictures([page.Chart("c", "d", drawing.svg)]))

    assert not re.search(r"<(link|script|img|iframe|object)|url\((?!#)|@import", html)
    assert not re.search(r"\b(?:src|href)=\"(?!#)", html)
    assert "default-src &#39;none&#39;" in html


def test_a_verdict_shows_each_check_with_its_own_mark() -> None:
    """A box with a failed check has a red edge, and says which of its checks failed."""
    html = page.box("Not passed.", passed=False, checks=[(True, "Enough rows."), (False, "Late.")])

    assert 'class="box verdict no"' in html
    assert '<span class="good">passed</span>Enough rows.' in html
    assert '<span class="bad">failed</span>Late.' in html


def test_an_answer_is_green_red_or_neither() -> None:
    """Only an answer that can be right or wrong has a colour."""
    shown = [page.answers([page.Answer("q", "a", "d", good=good)]) for good in (True, False, None)]

    kinds = [re.findall(r'class="(answer(?: yes| no)?)"', html) for html in shown]
    assert kinds == [["answer yes"], ["answer no"], ["answer"]]


def test_the_same_numbers_give_the_same_picture() -> None:
    """A picture has no time and no random name in it."""

    def draw() -> str:
        with picture() as drawing:
            drawing.axes.hist([1, 2, 2, 3], bins=3, label="rows")
            thresholds(drawing.axes, review=1.2, decline=1.3)
            legend(drawing.axes)
        return drawing.svg

    first = draw()

    assert first == draw()
    assert first.startswith("<svg")
    assert "review from 1.2" in first
    assert "decline from 1.3" in first


def test_a_date_axis_shows_dates() -> None:
    """Days since 1970 become words of the calendar."""
    with picture() as drawing:
        drawing.axes.plot([17_622, 17_712], [0, 1])  # 2018-04-01 to 2018-06-30
        dates(drawing.axes)

    assert "May" in drawing.svg
    assert "17622" not in re.sub(r"<!--.*?-->", "", drawing.svg)


def test_the_checks_of_a_verdict_are_one_table() -> None:
    """Each check has its row: name, value, limit, mark and sentence; what is not known is n/a."""
    html = page.check_table(
        [
            Line("distinct_scores", True, 42_078.0, 10.0, "Enough."),
            Line("champion", False, -0.01234, -0.01, "Worse."),
            Line("split", True, None, None, "By time."),
        ]
    )

    assert '<td>distinct scores</td><td class="n">42,078</td><td class="n">10</td>' in html
    assert '<td class="n">-0.01234</td><td class="n">-0.01</td><td class="bad">failed</td>' in html
    assert '<td class="n">n/a</td><td class="n">n/a</td><td class="good">passed</td>' in html
    assert html.count("<tr>") == 4
