"""A few of the replayed transactions with what was answered, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Decision
from cardfraud.contracts.transactions import MINOR_UNITS

_OF_EACH: Final = {Decision.DECLINE: 3, Decision.REVIEW: 4, Decision.APPROVE: 4}


@dataclass(frozen=True, slots=True)
class Example:
    """One transaction and its answer.

    Attributes:
        transaction_id: its id.
        moment: event time.
        amount: major units.
        probability: as served; None where the model was not asked.
        decision: approve, review or decline.
        reasons: as served.
        health: what the answer says of its features, in words.
        fraud: what became known later.
    """

    transaction_id: str
    moment: datetime
    amount: float
    probability: float | None
    decision: str
    reasons: tuple[str, ...]
    health: str
    fraud: bool


def choose_examples(
    rows: Sequence[dict[str, Any]],
    answers: Sequence[dict[str, Any]],
    fraud: NDArray[np.bool_],
) -> tuple[Example, ...]:
    """Choose some transactions of each decision, spread over the scores; the same ones each time.

    Of each decision that stopped something the highest and the lowest score are among them, and
    those between are evenly spread. Of what was approved: the fraud with the highest score, if one
    was missed, and others evenly spread.

    Args:
        rows: [N] transactions as sent.
        answers: [N] answers as served.
        fraud: [N] what became known later.
    """
    chosen: list[int] = []
    for decision, count in _OF_EACH.items():
        places = [i for i, answer in enumerate(answers) if answer["decision"] == decision.value]
        places.sort(key=lambda i: (-_score(answers[i]), i))
        approved = decision is Decision.APPROVE
        missed = [i for i in places if fraud[i]][:1] if approved else []
        left = [i for i in places if i not in missed]
        chosen += missed + _spread(left, count - len(missed))
    return tuple(_example(rows[i], answers[i], fraud=bool(fraud[i])) for i in chosen)


def _spread(places: list[int], count: int) -> list[int]:
    """At most so many of the places, the first and the last among them, evenly between."""
    positions = np.linspace(0, len(places) - 1, min(count, len(places))).round()
    return [places[int(position)] for position in np.unique(positions)]


def _score(answer: dict[str, Any]) -> float:
    return -1.0 if answer["probability"] is None else float(answer["probability"])


def _example(row: dict[str, Any], answer: dict[str, Any], *, fraud: bool) -> Example:
    return Example(
        transaction_id=row["transaction_id"],
        moment=row["event_time"],
        amount=row["amount_minor"] / MINOR_UNITS,
        probability=answer["probability"],
        decision=answer["decision"],
        reasons=tuple(answer["reasons"]),
        health=_health(answer["features"]),
        fraud=fraud,
    )


def _health(features: dict[str, Any]) -> str:
    """Say what is wrong with the features, or how old the oldest of them are."""
    said = [f"{view} stale" for view in features["stale"]]
    said += [f"{entity} unknown" for entity in features["missing"]]
    if features["degraded"]:
        said.append("degraded")
    age = features["age_seconds"]
    if age is not None:
        said.append(f"{age / 3_600:.0f} h old")
    return ", ".join(said) or "as it should be"
