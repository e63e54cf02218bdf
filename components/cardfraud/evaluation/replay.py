"""Logged decisions made again, from what the log holds of each of them.

What can be repeated: the score, from the stored vector and the named bundle; the decision, from the
stored score, the values that the rules read, and the named policy. What cannot: the vector, because
the state of that moment is not kept, and the sentences that gave the reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.errors import IntegrityError, InvalidInput, NotFound
from cardfraud.scoring.decision import decide, rule_fields
from cardfraud.scoring.session import OnnxScorer

if TYPE_CHECKING:
    import polars as pl

TOLERANCE: Final = 1e-6
"""How far a score may lie from the stored one: another processor, or another size of batch."""
_BATCH: Final = 10_000
_UNUSABLE: Final = (IntegrityError, InvalidInput, NotFound)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A row that does not come out as it is stored.

    Attributes:
        row: its position in the frame.
        transaction_key: of the row.
        what: score, vector, decision, bundle or policy.
        stored: what the row says.
        repeated: what came out, or why nothing did.
    """

    row: int
    transaction_key: str
    what: str
    stored: str
    repeated: str


@dataclass(slots=True)
class Replay:
    """What making the decisions again gave.

    Attributes:
        rows: all of them.
        scored: rows with a score that were scored again.
        without_score: rows that rules alone decided.
        exact: of the scored ones those with the very same score.
        largest_difference: among the scored ones.
        decided: rows that were decided again.
        undecidable: rows that lack values that the policy's rules read: those of version 1.
        mismatches: everything that does not come out as stored.
    """

    rows: int
    scored: int = 0
    without_score: int = 0
    exact: int = 0
    largest_difference: float = 0.0
    decided: int = 0
    undecidable: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)


def replay(
    predictions: pl.DataFrame,
    scorer_of: Callable[[str], OnnxScorer],
    policy_of: Callable[[str], Policy],
) -> Replay:
    """Score and decide every row of the log again and compare.

    Args:
        predictions: rows of the log, as the reader returns them.
        scorer_of: returns the model of a bundle digest; may raise NotFound, InvalidInput or
            IntegrityError.
        policy_of: returns the policy of a digest; likewise.
    """
    result = Replay(rows=len(predictions))
    indexed = predictions.with_row_index("row")
    for (digest,), rows in indexed.partition_by("bundle", as_dict=True).items():
        try:
            scorer = scorer_of(str(digest))
        except _UNUSABLE as error:
            _refuse(result, rows, "bundle", error)
            continue
        for start in range(0, len(rows), _BATCH):
            _score(result, rows[start : start + _BATCH], scorer)
    for (digest,), rows in indexed.partition_by("policy", as_dict=True).items():
        try:
            policy = policy_of(str(digest))
        except _UNUSABLE as error:
            _refuse(result, rows, "policy", error)
            continue
        _decide(result, rows, policy)
    result.mismatches.sort(key=lambda one: one.row)
    return result


def _refuse(result: Replay, rows: pl.DataFrame, what: str, error: Exception) -> None:
    for row, key, digest in rows.select("row", "transaction_key", what).iter_rows():
        result.mismatches.append(Mismatch(row, key, what, digest, str(error)))


def _score(result: Replay, rows: pl.DataFrame, scorer: OnnxScorer) -> None:
    import polars as pl

    asked = rows.filter(pl.col("score").is_not_null())
    result.without_score += len(rows) - len(asked)
    width = len(scorer.names)
    fits = (pl.col("vector").list.len() == width) & pl.col("vector").list.eval(
        pl.element().is_finite().fill_null(value=False)
    ).list.all()
    usable = asked.select(fits.fill_null(value=False)).to_series()
    for row, key in asked.filter(~usable).select("row", "transaction_key").iter_rows():
        said = f"not {width} finite values"
        result.mismatches.append(Mismatch(row, key, "vector", "a vector", said))
    asked = asked.filter(usable)
    if asked.is_empty():
        return
    vectors = np.ascontiguousarray(asked["vector"].list.to_array(width).to_numpy(), np.float32)
    try:
        again = scorer.score(vectors).astype(np.float64)
    except IntegrityError as error:
        _refuse(result, asked, "bundle", error)
        return
    stored: NDArray[np.float64] = asked["score"].to_numpy().astype(np.float64)
    apart = np.abs(again - stored)
    result.scored += len(asked)
    result.exact += int((apart == 0).sum())
    result.largest_difference = max(result.largest_difference, float(apart.max()))
    for place in np.flatnonzero(~(apart <= TOLERANCE)):
        row, key = asked.select("row", "transaction_key").row(int(place))
        told = (f"{stored[place]:.9g}", f"{again[place]:.9g}")
        result.mismatches.append(Mismatch(row, key, "score", *told))


def _decide(result: Replay, rows: pl.DataFrame, policy: Policy) -> None:
    needed = rule_fields(policy)
    columns = ("row", "transaction_key", "score", "decision", "degraded", "rule_values")
    for row, key, score, decision, degraded, stored in rows.select(columns).iter_rows():
        values = _values(stored)
        if any(name not in values for name in needed):
            result.undecidable += 1
            continue
        again = decide(policy, score, values, degraded=degraded).decision.value
        result.decided += 1
        if again != decision:
            result.mismatches.append(Mismatch(row, key, "decision", decision, again))


def _values(stored: list[dict[str, Any]] | None) -> dict[str, float]:
    return {} if stored is None else {one["name"]: one["value"] for one in stored}
