"""The prediction log's tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
from rich.table import Table

from cardfraud.adapters.prediction_log import LoggedPredictions
from cardfraud.evaluation.outcomes import Outcomes
from cardfraud.evaluation.replay import Mismatch, Replay

MOST_SHOWN: Final = 20
_OF: Final = ("track", "bundle", "policy")


def replay_table(logged: LoggedPredictions, result: Replay) -> Table:
    """Return what was repeated, one figure a line."""
    table = Table("", title="Logged decisions, made again", title_justify="left")
    table.add_column("rows", justify="right")
    for name, value in (
        ("files read", logged.files),
        ("files set aside", len(logged.set_aside)),
        ("repetitions left out", logged.repeated),
        ("rows", result.rows),
        ("scored again", result.scored),
        ("of these the very same score", result.exact),
        ("decided by rules alone", result.without_score),
        ("decided again", result.decided),
        ("not decidable: values of rules are not stored", result.undecidable),
        ("mismatches", len(result.mismatches)),
    ):
        table.add_row(name, f"{value:,}")
    table.caption = f"largest difference of a score: {result.largest_difference:.2g}"
    return table


def mismatch_table(mismatches: Sequence[Mismatch]) -> Table:
    """Return the first mismatches."""
    title = f"The first {MOST_SHOWN}" if len(mismatches) > MOST_SHOWN else "All of them"
    table = Table("transaction", "what", "stored", "again", title=title, title_justify="left")
    for one in mismatches[:MOST_SHOWN]:
        table.add_row(one.transaction_key, one.what, one.stored, one.repeated)
    return table


def set_aside_table(reasons: Mapping[str, int]) -> Table:
    """Return why files were not used."""
    table = Table("files set aside because", title_justify="left")
    table.add_column("files", justify="right")
    for reason, count in reasons.items():
        table.add_row(reason, f"{count:,}")
    return table


def outcome_table(outcomes: Outcomes) -> Table:
    """Return what became of the decisions of each track, bundle and policy."""
    table = Table(title="Decisions and what became of them", title_justify="left")
    for heading in _OF:
        table.add_column(heading, no_wrap=True)
    headings = (
        "too young", "settled", "frauds", "stopped", "good stopped", "precision",
        "recall",
    )  # fmt: skip
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in outcome_rows(outcomes).iter_rows(named=True):
        table.add_row(*_cells(row))
    table.caption = (
        f"{outcomes.labelled:,} settled decisions have a label of their own; "
        "the others count as legitimate"
    )
    return table


def outcome_rows(outcomes: Outcomes) -> pl.DataFrame:
    """Count by track, bundle and policy: too young, settled, frauds, and what was stopped."""
    stopped = pl.col("decision") != "approve"
    fraud = pl.col("is_fraud")
    settled = outcomes.matured.group_by(_OF).agg(
        settled=pl.len(),
        frauds=fraud.sum(),
        stopped=(fraud & stopped).sum(),
        good_stopped=(~fraud & stopped).sum(),
    )
    young = outcomes.immature.group_by(_OF).agg(too_young=pl.len())
    return settled.join(young, on=_OF, how="full", coalesce=True).fill_null(0).sort(_OF)


def _cells(row: Mapping[str, Any]) -> list[str]:
    names = [row["track"], *(str(row[name])[:15] for name in _OF[1:])]
    counts = ("too_young", "settled", "frauds", "stopped", "good_stopped")
    alerts = row["stopped"] + row["good_stopped"]
    shares = [_share(row["stopped"], alerts), _share(row["stopped"], row["frauds"])]
    return [*names, *(f"{row[name]:,}" for name in counts), *shares]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
