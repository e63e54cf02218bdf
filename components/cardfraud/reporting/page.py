"""The page around the pictures: headings, tables, verdicts; everything inline and escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from markupsafe import Markup, escape

from cardfraud.reporting.style import CSS

_NOTHING: Final = Markup()
# The page says so itself: a browser fetches nothing and runs nothing for it.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it says.
        kind: ``n`` for a number, ``good`` or ``bad`` for a verdict, ``sub`` for the name of a row
            that belongs to the one above; empty for text.
    """

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with its heading.

    Attributes:
        title: a few words.
        caption: how to read it, in one sentence.
        svg: of our own making; it is the one text that is not escaped.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader wants to know first.

    Attributes:
        question: in a few words.
        answer: a word or a figure.
        detail: one sentence.
        good: whether that is as it should be; None where it is neither.
    """

    question: str
    answer: str
    detail: str
    good: bool | None = None


class CheckLine(Protocol):
    """One check of a verdict, such as the gate's: what was found, what was allowed."""

    @property
    def name(self) -> str:
        """What is checked."""

    @property
    def passed(self) -> bool:
        """Whether the limit was kept."""

    @property
    def value(self) -> float | None:
        """What was found; None where nothing could be measured."""

    @property
    def limit(self) -> float | None:
        """What was allowed; None where it is no number."""

    @property
    def sentence(self) -> str:
        """The same in words."""


def number(value: float, digits: int = 3) -> Cell:
    """A number, right-aligned."""
    return Cell(f"{value:,.{digits}f}", "n")


def count(value: int) -> Cell:
    """A whole number with thousands separated, right-aligned."""
    return Cell(f"{value:,}", "n")


def table(header: Sequence[str | Cell], rows: Sequence[Sequence[str | Cell]]) -> Markup:
    """A table; plain strings are left-aligned text. A narrow screen scrolls it sideways."""

    def cell(tag: str, content: str | Cell) -> Markup:
        shown = content if isinstance(content, Cell) else Cell(content)
        attribute = Markup(' class="{}"').format(shown.kind) if shown.kind else ""
        form = Markup("<th{}>{}</th>") if tag == "th" else Markup("<td{}>{}</td>")
        return form.format(attribute, shown.text)

    head = _NOTHING.join(cell("th", c) for c in header)
    body = _NOTHING.join(
        Markup("<tr>{}</tr>").format(_NOTHING.join(cell("td", c) for c in row)) for row in rows
    )
    return Markup(
        '<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, body)


def check_table(checks: Sequence[CheckLine]) -> Markup:
    """The checks of a verdict, one a row: name, value, limit, whether it passed, a sentence."""

    def figure(value: float | None) -> Cell:
        if value is None:
            return Cell("n/a", "n")
        return Cell(f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}", "n")

    return table(
        ["check", Cell("value", "n"), Cell("limit", "n"), "", "in words"],
        [
            [
                check.name.replace("_", " "),
                figure(check.value),
                figure(check.limit),
                Cell("passed", "good") if check.passed else Cell("failed", "bad"),
                check.sentence,
            ]
            for check in checks
        ],
    )


def answers(items: Sequence[Answer]) -> Markup:
    """A row of answers, for the top of a page."""
    return Markup('<div class="answers">{}</div>').format(
        _NOTHING.join(
            Markup('<div class="answer{}"><span>{}</span><b>{}</b><span>{}</span></div>').format(
                "" if item.good is None else " yes" if item.good else " no",
                item.question,
                item.answer,
                item.detail,
            )
            for item in items
        )
    )


def cards(items: Sequence[tuple[str, str]]) -> Markup:
    """A row of (figure, what it is)."""
    return Markup('<div class="cards">{}</div>').format(
        _NOTHING.join(
            Markup('<div class="card"><b>{}</b><span>{}</span></div>').format(value, label)
            for value, label in items
        )
    )


def box(content: str, *, passed: bool, checks: Sequence[tuple[bool, str]] = ()) -> Markup:
    """A verdict in one sentence, with a green or a red edge.

    Args:
        content: the sentence.
        passed: which edge.
        checks: whether each check passed, and a sentence on it.
    """
    lines = _NOTHING.join(
        Markup('<li><span class="{}">{}</span>{}</li>').format(
            "good" if good else "bad", "passed" if good else "failed", sentence
        )
        for good, sentence in checks
    )
    return Markup('<div class="box {}"><b>{}</b>{}</div>').format(
        "verdict" if passed else "verdict no",
        content,
        Markup('<ul class="checks">{}</ul>').format(lines) if lines else "",
    )


def facts(items: Sequence[tuple[str, str]]) -> Markup:
    """A list of (name, value)."""
    return Markup('<div class="box"><dl>{}</dl></div>').format(
        _NOTHING.join(Markup("<dt>{}</dt><dd>{}</dd>").format(name, value) for name, value in items)
    )


def pictures(charts: Sequence[Chart]) -> Markup:
    """Pictures, two side by side where there is room."""
    return Markup('<div class="grid">{}</div>').format(_NOTHING.join(_figure(c) for c in charts))


def wide_picture(chart: Chart) -> Markup:
    """A picture as wide as the page; a narrow screen scrolls it sideways."""
    return _figure(chart, wide=True)


def _figure(chart: Chart, *, wide: bool = False) -> Markup:
    named = Markup('<svg role="img" aria-label="{}"').format(chart.title)
    drawing = Markup(chart.svg.replace("<svg", named, 1))  # noqa: S704 (made by figures.py)
    return Markup("<figure{}><figcaption><b>{}</b>{}</figcaption><div>{}</div></figure>").format(
        Markup(' class="wide"') if wide else "", chart.title, chart.caption, drawing
    )


def section(title: str, *parts: str) -> Markup:
    """A heading and what is below it."""
    return Markup("<section><h2>{}</h2>{}</section>").format(title, _all(parts))


def subsection(title: str, *parts: str) -> Markup:
    """A smaller heading and what is below it, inside a section."""
    return Markup("<section><h3>{}</h3>{}</section>").format(title, _all(parts))


def sides(*parts: str) -> Markup:
    """Parts side by side where there is room."""
    return Markup('<div class="sides">{}</div>').format(_all(parts))


def stack(*parts: str) -> Markup:
    """Parts one below the other, as one of the sides of :func:`sides`."""
    return Markup('<div class="stack">{}</div>').format(_all(parts))


def paragraph(text: str) -> Markup:
    """A paragraph of text."""
    return Markup("<p>{}</p>").format(text)


def note(text: str) -> Markup:
    """A paragraph that explains what stands beside it."""
    return Markup('<p class="note">{}</p>').format(text)


def link(text: str, target: str) -> Markup:
    """A paragraph with a link to another file; ``target`` is relative to the page."""
    return Markup('<p><a href="{}">{}</a></p>').format(target, text)


def page(title: str, lead: str, *parts: str) -> str:
    """The whole document as a string of HTML."""
    return str(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            "<title>{title}</title><style>{css}</style></head><body><main>"
            '<h1>{title}</h1><p class="lead">{lead}</p>{body}'
            "</main></body></html>\n"
        ).format(
            title=title,
            policy=_POLICY,
            css=Markup(CSS),  # noqa: S704 (a constant)
            lead=lead,
            body=_all(parts),
        )
    )


def _all(parts: Sequence[str]) -> Markup:
    return _NOTHING.join(escape(part) for part in parts)
