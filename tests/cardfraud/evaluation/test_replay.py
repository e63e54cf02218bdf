import numpy as np
import polars as pl
import pytest

from cardfraud.contracts.bundle import InputColumn, Signature
from cardfraud.contracts.frames import PREDICTION_SCHEMA
from cardfraud.contracts.policy import Policy
from cardfraud.errors import IntegrityError, NotFound
from cardfraud.evaluation.replay import _BATCH, Replay, replay
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring.decision import decide
from cardfraud.scoring.session import OnnxScorer
from tests.support.graphs import logistic, tiny_policy

WIDTH = 3
ROWS = 40
TAMPERED = "t3"


def scorer(digest: str, *, link: str = "Sigmoid") -> OnnxScorer:
    """Return the model of a bundle: ``one`` and ``two`` differ, there is no other."""
    if digest not in {"one", "two"}:
        raise NotFound("bundle", digest)
    weights = dict(zip(FEATURE_NAMES, (0.5, -0.5, 1.0), strict=False))
    graph = logistic(weights, bias=-1.0 if digest == "one" else 1.0, width=WIDTH, link=link)
    inputs = tuple(InputColumn(name=name, default=0.0) for name in "abc")
    return OnnxScorer(graph, Signature(feature_set_digest="f", inputs=inputs))


def policy(digest: str) -> Policy:
    """Return the policy of a digest."""
    if digest != "strict":
        raise IntegrityError("policy.json", digest, "another")
    return tiny_policy()


@pytest.fixture
def served() -> pl.DataFrame:
    """Rows of the log as servers write them: two models, rules that fire, some without a score."""
    random = np.random.default_rng(7)
    rows = []
    for number in range(ROWS):
        vector = random.normal(size=(1, WIDTH)).astype(np.float32)
        bundle = ("one", "two")[number % 2]
        score = None if number % 5 == 0 else float(scorer(bundle).score(vector)[0])
        amount = float(random.choice([10.0, 5_000.01, float("nan")]))
        degraded = bool(number % 3 == 0)
        verdict = decide(policy("strict"), score, {"amount": amount}, degraded=degraded)
        rows.append(
            dict.fromkeys(PREDICTION_SCHEMA)
            | {
                "transaction_key": f"t{number}",
                "bundle": bundle,
                "policy": "strict",
                "vector": vector[0].tolist(),
                "score": score,
                "decision": verdict.decision.value,
                "degraded": degraded,
                "rule_values": [{"name": "amount", "value": amount}],
            }
        )
    return pl.DataFrame(rows, schema=PREDICTION_SCHEMA)


def found(result: Replay) -> list[tuple[str, str]]:
    """Which rows do not come out, and in what."""
    return [(one.transaction_key, one.what) for one in result.mismatches]


VECTORS = pl.List(pl.Float32)
CHANGES: dict[str, tuple[str, pl.Expr, str]] = {
    "score": ("score", pl.lit(0.123, pl.Float32), "score"),
    "a little of the score": ("score", pl.col("score") + pl.lit(2e-6, pl.Float32), "score"),
    "vector": ("vector", pl.col("vector").list.reverse(), "score"),
    "vector too long": ("vector", pl.lit([1.0] * 4, VECTORS), "vector"),
    "vector with nothing": ("vector", pl.lit([1.0, None, 2.0], VECTORS), "vector"),
    "vector not finite": ("vector", pl.lit([1.0, float("inf"), 2.0], VECTORS), "vector"),
    "bundle": ("bundle", pl.lit("one"), "score"),
    "bundle that is nowhere": ("bundle", pl.lit("three"), "bundle"),
    "policy that is nowhere": ("policy", pl.lit("lax"), "policy"),
    "decision": ("decision", pl.lit("approve"), "decision"),
}
"""By what was changed: the column, what it holds then, and what the replay calls it."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_was_changed_is_found(served: pl.DataFrame, change: str) -> None:
    """Whichever part of a row somebody changed, that row is named and no other."""
    column, value, what = CHANGES[change]
    changed = pl.when(pl.col("transaction_key") == TAMPERED).then(value).otherwise(column)
    result = replay(served.with_columns(changed.alias(column)), scorer, policy)
    assert found(result) == [(TAMPERED, what)]


def test_no_row_is_lost_between_two_batches(served: pl.DataFrame) -> None:
    """Of a log that is longer than two batches every row is scored and decided again."""
    alone = served.filter(bundle="one", policy="strict")
    times = 2 * _BATCH // len(alone) + 2
    result = replay(pl.concat([alone] * times), scorer, policy)
    assert result.rows == times * len(alone) > 2 * _BATCH
    assert result.scored + result.without_score == result.decided == result.rows
    assert result.mismatches == []


def test_rows_without_the_values_of_rules_are_counted_not_guessed(served: pl.DataFrame) -> None:
    """The decision of a row of version 1 cannot be repeated under a policy with rules."""
    old = served.with_columns(rule_values=pl.lit(None, PREDICTION_SCHEMA["rule_values"]))
    result = replay(old, scorer, policy)
    assert (result.decided, result.undecidable) == (0, ROWS)
    assert result.exact == 32
    free = replay(old, scorer, lambda _: tiny_policy(rules=()))
    assert (free.decided, free.undecidable) == (ROWS, 0)


def test_a_model_that_gives_no_probabilities_is_a_mismatch(served: pl.DataFrame) -> None:
    """What the model says now is told for each row, and the other rows are still looked at."""
    result = replay(served, lambda digest: scorer(digest, link="Identity"), policy)
    assert {what for _, what in found(result)} >= {"bundle"}
    assert result.decided == ROWS


def test_an_empty_log_is_no_mismatch(served: pl.DataFrame) -> None:
    """Nothing was served, nothing is wrong."""
    assert replay(served.clear(), scorer, policy) == Replay(rows=0)
