"""The page around the pictures: headings, tables, verdicts; everything inline and escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

_CSS: Final = Markup("""
:root{color-scheme:light;--ink:#1f2933;--muted:#616e7c;--line:#e4e7eb;--good:#2e7d4f;--bad:#b3261e}
*{box-sizing:border-box}body{margin:0;background:#f5f7fa;color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 10px}
p{margin:6px 0}.lead{color:var(--muted);margin-bottom:20px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px}
.card,.box{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px 16px}
.card b{display:block;font-size:20px}.card span{color:var(--muted);font-size:13px}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:16px}
figure{margin:0;background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px}
figure svg{width:100%;height:auto;display:block}figcaption{color:var(--muted);font-size:13px}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid var(--line)}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);font-size:14px}
th{color:var(--muted);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.verdict{border-left:5px solid var(--good)}.verdict.no{border-left-color:var(--bad)}
code{font-size:13px;background:#eef1f5;padding:1px 4px;border-radius:4px;overflow-wrap:anywhere}
footer{margin-top:40px;color:var(--muted);font-size:13px}
@media(max-width:520px){.grid{grid-template-columns:1fr}}
""")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: text, and whether it is a number or a verdict."""

    text: str
    kind: str = ""


def number(value: float, digits: int = 3) -> Cell:
    """A number, right-aligned."""
    return Cell(f"{value:,.{digits}f}", "n")


def count(value: int) -> Cell:
    """A whole number with thousands separated, right-aligned."""
    return Cell(f"{value:,}", "n")


def verdict(*, passed: bool, yes: str = "passed", no: str = "failed") -> Cell:
    """A word in green or red."""
    return Cell(yes if passed else no, "good" if passed else "bad")


def table(header: Sequence[str | Cell], rows: Sequence[Sequence[str | Cell]]) -> Markup:
    """A table; plain strings are left-aligned text."""

    def cell(tag: str, content: str | Cell) -> Markup:
        shown = content if isinstance(content, Cell) else Cell(content)
        attribute = Markup(' class="{}"').format(shown.kind) if shown.kind else ""
        form = Markup("<th{}>{}</th>") if tag == "th" else Markup("<td{}>{}</td>")
        return form.format(attribute, shown.text)

    head = Markup("").join(cell("th", c) for c in header)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(cell("td", c) for c in row)) for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def cards(items: Sequence[tuple[str, str]]) -> Markup:
    """A row of (figure, what it is)."""
    return Markup('<div class="cards">{}</div>').format(
        Markup("").join(
            Markup('<div class="card"><b>{}</b><span>{}</span></div>').format(value, label)
            for value, label in items
        )
    )


def box(content: str, *, passed: bool) -> Markup:
    """A verdict in one sentence, with a green or a red edge."""
    kind = "verdict" if passed else "verdict no"
    return Markup('<div class="box {}">{}</div>').format(kind, content)


def pictures(items: Sequence[tuple[str, str]]) -> Markup:
    """A grid of (SVG of our own making, caption)."""
    return Markup('<div class="grid">{}</div>').format(
        Markup("").join(
            Markup("<figure>{}<figcaption>{}</figcaption></figure>").format(Markup(svg), caption)  # noqa: S704 (SVG made by figures.py)
            for svg, caption in items
        )
    )


def section(title: str, *parts: str) -> Markup:
    """A heading and what is below it."""
    return Markup("<section><h2>{}</h2>{}</section>").format(
        title, Markup("").join(escape(part) for part in parts)
    )


def paragraph(text: str) -> Markup:
    """A paragraph of text."""
    return Markup("<p>{}</p>").format(text)


def page(title: str, lead: str, *parts: str) -> str:
    """The whole document as a string of HTML."""
    return str(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            "<title>{title}</title><style>{css}</style></head><body><main>"
            '<h1>{title}</h1><p class="lead">{lead}</p>{body}'
            "</main></body></html>\n"
        ).format(
            title=title,
            css=_CSS,
            lead=lead,
            body=Markup("").join(escape(part) for part in parts),
        )
    )
