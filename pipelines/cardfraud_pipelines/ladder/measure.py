"""Answers held-out requests on every rung, with the code that serves, and compares the rungs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Decision, Policy
from cardfraud.evaluation.card_precision import CardPrecision, card_precision
from cardfraud.evaluation.classification import average_precision
from cardfraud.scoring.assembly import Assembly, positions
from cardfraud.scoring.decision import Verdict, decide, rule_fields
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.ladder.requests import Asked
from cardfraud_pipelines.ladder.result import CARDS_PER_DAY, LadderResult, RungFigures
from cardfraud_pipelines.ladder.rungs import RUNGS, Left, Rung

Progress = Callable[[str], None]

_SEVERITY: Final = {Decision.APPROVE: 0, Decision.REVIEW: 1, Decision.DECLINE: 2}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Attributes:
        data: where the requests come from, in words.
        algorithm: the estimator's name.
        scorer: the model, as it would be served.
        policy: decides, and holds the alert budget.
    """

    data: str
    algorithm: str
    scorer: OnnxScorer
    policy: Policy


@dataclass(slots=True)
class _Answers:
    """What one rung answered, a block a day."""

    ranks: list[NDArray[np.float64]] = field(default_factory=list)
    stopped: list[NDArray[np.bool_]] = field(default_factory=list)
    told: list[NDArray[np.bool_]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The N requests that every rung answered."""

    day: NDArray[np.int64]
    card: NDArray[np.str_]
    fraud: NDArray[np.bool_]


def measure(
    subject: Subject,
    days: Iterable[Asked],
    *,
    rungs: Sequence[Rung] = RUNGS,
    progress: Progress = lambda _: None,
) -> LadderResult:
    """Answer every request on every rung.

    Where the model is asked, its probability ranks the cards. Where rules alone decide, their
    decision does (decline, review, approve), then how many of them fired, then the amount: what an
    analyst has left to sort by.

    Args:
        subject: model and policy.
        days: the requests with their state, by day; consumed one at a time.
        rungs: the first one is what the others are compared with.
        progress: called with a sentence for each day.
    """
    answers = {rung.name: _Answers() for rung in rungs}
    asked: list[tuple[int, list[str], NDArray[np.bool_]]] = []
    for day in days:
        progress(f"answering the {len(day.transactions):,} requests of day {len(asked) + 1}")
        asked.append((day.day, [one.user_id for one in day.transactions], day.fraud))
        left: dict[Left, Assembly] = {}  # rungs that lose the same are assembled once
        for rung in rungs:
            if rung.left not in left:
                left[rung.left] = rung.left(day.transactions, day.states)
            _answer(subject, rung, day, left[rung.left], answers[rung.name])
    rows = _Rows(
        day=np.concatenate([np.full(len(cards), day) for day, cards, _ in asked]),
        card=np.concatenate([np.array(cards, dtype=np.str_) for _, cards, _ in asked]),
        fraud=np.concatenate([fraud for _, _, fraud in asked]),
    )
    figures = [_figures(rung, answers[rung.name], rows, subject.policy) for rung in rungs]
    return _result(subject, rows, figures)


def _answer(
    subject: Subject, rung: Rung, day: Asked, assembly: Assembly, answers: _Answers
) -> None:
    vector, where = assembly.vector, positions(subject.scorer.names)
    scores = None
    if rung.asks_model:
        scores = subject.scorer.score(vector if where is None else vector[:, where])
    read = {name: assembly.values[name].tolist() for name in rule_fields(subject.policy)}
    verdicts = [
        decide(
            subject.policy,
            None if scores is None else float(scores[index]),
            {name: column[index] for name, column in read.items()},
            degraded=health.degraded,
        )
        for index, health in enumerate(assembly.health)
    ]
    answers.stopped.append(np.array([one.decision is not Decision.APPROVE for one in verdicts]))
    answers.told.append(np.array([scores is None or health.degraded for health in assembly.health]))
    answers.ranks.append(
        _ranks_of_rules(day, verdicts, subject.policy)
        if scores is None
        else scores.astype(np.float64)
    )


def _ranks_of_rules(day: Asked, verdicts: Sequence[Verdict], policy: Policy) -> NDArray[np.float64]:
    """Higher for a stricter decision, then for more rules, then for a larger amount, [N].

    The step between decisions is the policy's, not the day's: rows of all days are ranked together.
    """
    decision = np.array([_SEVERITY[one.decision] for one in verdicts], dtype=np.float64)
    fired = np.array([len(one.fired) for one in verdicts], dtype=np.float64)
    amount = np.array([float(one.amount) for one in day.transactions])
    ranks: NDArray[np.float64] = decision * (1.0 + len(policy.rules)) + fired
    return ranks + amount / (1.0 + amount)


def _figures(rung: Rung, answers: _Answers, rows: _Rows, policy: Policy) -> RungFigures:
    ranks, stopped = np.concatenate(answers.ranks), np.concatenate(answers.stopped)
    cards = _card_precision(rows, ranks)
    alerts = len(set(zip(rows.day[stopped].tolist(), rows.card[stopped].tolist(), strict=True)))
    frauds = max(int(rows.fraud.sum()), 1)
    return RungFigures(
        name=rung.name,
        meaning=rung.meaning,
        asks_model=rung.asks_model,
        card_precision=cards.mean,
        share_of_ceiling=cards.share_of_ceiling or 0.0,
        average_precision=average_precision(rows.fraud, ranks) or 0.0,
        recall_at_budget=_recall(rows, ranks, policy.alert_budget_per_day),
        alerts_per_day=alerts / len(cards.days),
        frauds_stopped=int((stopped & rows.fraud).sum()) / frauds,
        told=float(np.concatenate(answers.told).mean()),
    )


def _card_precision(rows: _Rows, ranks: NDArray[np.float64]) -> CardPrecision:
    return card_precision(rows.day, rows.card, rows.fraud, ranks, k=CARDS_PER_DAY)


def _recall(rows: _Rows, ranks: NDArray[np.float64], budget: int) -> float:
    """Share of the frauds on the ``budget`` cards that rank highest on their day."""
    found = 0
    for day in np.unique(rows.day):
        today = rows.day == day
        cards, place = np.unique(rows.card[today], return_inverse=True)
        highest = np.full(len(cards), -np.inf)
        np.maximum.at(highest, place, ranks[today])
        looked_at = np.zeros(len(cards), dtype=np.bool_)
        looked_at[np.argsort(-highest, kind="stable")[:budget]] = True
        found += int((rows.fraud[today] & looked_at[place]).sum())
    return found / max(int(rows.fraud.sum()), 1)


def _result(subject: Subject, rows: _Rows, figures: list[RungFigures]) -> LadderResult:
    policy = subject.policy
    first, last = (np.datetime64(int(edge(rows.day)), "D").item() for edge in (np.min, np.max))
    return LadderResult(
        data=subject.data,
        first_day=first,
        last_day=last,
        rows=len(rows.fraud),
        frauds=int(rows.fraud.sum()),
        card_precision_ceiling=_card_precision(rows, rows.fraud.astype(np.float64)).ceiling,
        algorithm=subject.algorithm,
        alert_budget_per_day=policy.alert_budget_per_day,
        review_threshold=policy.thresholds.review,
        decline_threshold=policy.thresholds.decline,
        rules=tuple(rule.name for rule in policy.rules),
        when_degraded=policy.when_degraded.value,
        rungs=tuple(figures),
    )
