"""The ladder as a table on the terminal."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cardfraud_pipelines.ladder.result import LadderResult


def ladder_table(result: LadderResult) -> RenderableType:
    """Return the table and the notes below it."""
    table = Table(
        title=f"{_span(result)}: {result.rows:,} transactions, {result.frauds:,} frauds",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),  # nine columns on a terminal of 80
    )
    table.add_column("rung", no_wrap=True)
    for heading in ("CP@100", "lost", "best", "AP", "recall", "alerts", "stopped", "tell"):
        table.add_column(heading, justify="right", no_wrap=True)
    for rung in result.rungs:
        table.add_row(
            rung.name,
            f"{rung.card_precision:.3f}",
            "" if rung is result.full else f"{result.lost(rung):.3f}",
            f"{rung.share_of_ceiling:.0%}",
            f"{rung.average_precision:.3f}",
            f"{rung.recall_at_budget:.0%}",
            f"{rung.alerts_per_day:,.0f}",
            f"{rung.frauds_stopped:.0%}",
            f"{rung.told:.0%}",
        )
    return Group(table, *(Text(line) for line in notes(result)))


def notes(result: LadderResult) -> list[str]:
    """How the table is to be read, one sentence or two a line."""
    model, rules = result.algorithm.replace("_", " "), ", ".join(result.rules) or "none"
    return [
        f"On {result.data}; model: {model}; rules: {rules}.",
        f"CP@100: card precision@100; its ceiling is {result.card_precision_ceiling:.3f}.",
        f"recall: share of the frauds on the {result.alert_budget_per_day} highest cards of a day.",
        "The model's probability ranks the cards; where it is not asked the rules' decision does.",
        "Equal decisions rank by the number of rules that fired, then by amount.",
        "alerts: cards a day that the policy reviews or declines; stopped: the frauds among them.",
        f"tell: answers that are marked; a marked one is {result.when_degraded} at the mildest.",
        "Store and predictor gone answers as store gone: without features no model is asked.",
    ]


def _span(result: LadderResult) -> str:
    if result.first_day == result.last_day:
        return str(result.first_day)
    return f"{result.first_day} to {result.last_day}"
