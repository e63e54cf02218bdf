"""A policy decides in the gate what it decides in service, missing values among the rest.

The same transactions go both ways: through the rows that training leaves and the gate reads, and
through stored state, assembly and verdicts as a server takes them.
"""

import secrets
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from cardfraud.adapters.object_store import decode_frame
from cardfraud.contracts.policy import Condition, Decision, Policy, Rule, Thresholds
from cardfraud.evaluation.actions import firing
from cardfraud.evaluation.held_out import HeldOut, Scored
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES
from cardfraud.features.tiles import day_of
from cardfraud.scoring.assembly import Assembly, assemble
from cardfraud.steps.evaluate.figures import held_out
from cardfraud.steps.train.rows import read_splits
from cardfraud.steps.train.scored_rows import scored_rows
from cardfraud_inference.transformer.answers import verdicts
from cardfraud_pipelines.local import Endpoints
from tests.parity.replay import in_order, serve
from tests.support.cards import cards
from tests.support.feature_stores import record
from tests.support.stores import object_store
from tests.support.training import config, days

DEFAULTS = {feature.name: feature.default for feature in FEATURES}
OPERATORS = ("gt", "ge", "lt", "le")
THRESHOLDS = Thresholds(review=0.8, decline=0.95)


@dataclass(frozen=True)
class BothSides:
    """The same N transactions, as the gate and as a server has them, with scores ``[N]``."""

    gate: HeldOut
    service: Assembly
    scores: NDArray[np.float32]


@pytest.fixture(scope="module")
def both(local_stack: Endpoints) -> BothSides:
    """Take three days of thirty users both ways."""
    tables = cards(users=30)
    bucket = f"test-{secrets.token_hex(6)}"
    local_stack.s3_client().create_bucket(Bucket=bucket)
    store = object_store(replace(local_stack, bucket=bucket))
    tables.store(store)
    given = config(test=days(33, 36))
    judged = read_splits(given, store, tables).test
    scores = np.random.default_rng(5).random(len(judged.labels), dtype=np.float32)
    written = scored_rows(judged, scores, features=True)

    past = tables.transactions.filter(pl.col("event_time") < given.test.ends)
    first = day_of(int(given.test.begins.timestamp()) * 1_000_000)
    served = serve(past, tables.labels, first_day=first)
    rows = in_order(past.filter(pl.col("event_time") >= given.test.begins))
    assert rows["transaction_id"].equals(judged.frame["transaction_id"])
    columns = ("transaction_id", "event_time", "user_id", "merchant_id", "amount_minor")
    requests = [record(*row) for row in rows.select(columns).iter_rows()]
    assembly = assemble(requests, served.states)
    assert not any(health.degraded for health in assembly.health)
    return BothSides(held_out(decode_frame(written, "test.parquet")), assembly, scores)


def _rule(name: str, conditions: list[Condition], decision: Decision, mode: str) -> Rule:
    first, *also = conditions
    document = first.model_dump() | {"name": name, "decision": decision, "reason": "it holds"}
    return Rule.model_validate(document | {"also": also, "mode": mode})


def _bounds(both: BothSides, name: str) -> list[float]:
    """Bounds that a value meets or misses by a hair, that none reaches, and the default."""
    column = both.service.column(name)
    known = np.unique(column[~np.isnan(column)])
    picked = known[np.linspace(0, len(known) - 1, 4).astype(int)] if len(known) else []
    hair = np.nextafter(picked, np.inf)  # the same in the 32 bits that the offline store keeps
    return [*(float(value) for value in (*picked, *hair)), DEFAULTS[name], 1e300]


def test_the_model_is_given_the_same(both: BothSides) -> None:
    """What the gate scores is, bit for bit, what a server would score; some values are missing."""
    np.testing.assert_array_equal(both.gate.features, both.service.vector)
    missing = both.gate.missing
    assert missing is not None
    np.testing.assert_array_equal(missing, np.isnan(both.service.table))
    some = missing.any(axis=0) & ~missing.all(axis=0)
    assert some.sum() >= 5


def test_a_rule_fires_in_the_gate_where_it_fires_in_service(both: BothSides) -> None:
    """Over every feature, by every operator, at bounds that values meet and at the default."""
    bounds = [(name, bound) for name in FEATURE_NAMES for bound in _bounds(both, name)]
    rules = tuple(
        _rule(
            f"rule_{number}",
            [Condition.model_validate({"field": name, "op": op, "value": bound})],
            Decision.REVIEW,
            "shadow",
        )
        for number, ((name, bound), op) in enumerate(product(bounds, OPERATORS))
    )
    policy = Policy(thresholds=THRESHOLDS, rules=rules)
    served = [set(one.shadow) for one in verdicts(policy, both.service, both.scores)]
    values = both.gate.values(FEATURE_NAMES)
    for rule in rules:
        there = np.array([rule.name in names for names in served])
        np.testing.assert_array_equal(firing(rule, values), there, err_msg=str(rule))
    assert any(served)


def test_a_policy_decides_in_the_gate_what_it_decides_in_service(both: BothSides) -> None:
    """Thresholds and several rules of several conditions give each row the same decision."""
    random = np.random.default_rng(8)

    def condition() -> Condition:
        name = str(random.choice(FEATURE_NAMES))
        value = float(random.choice(_bounds(both, name)))
        return Condition(field=name, op=random.choice(OPERATORS), value=value)

    seen: set[Decision] = set()
    for _ in range(40):
        rules = tuple(
            _rule(
                f"rule_{number}",
                [condition() for _ in range(int(random.integers(2, 5)))],
                Decision(random.choice(["review", "decline"])),
                str(random.choice(["active", "active", "shadow"])),
            )
            for number in range(3)
        )
        policy = Policy(thresholds=THRESHOLDS, rules=rules)
        served = [one.decision for one in verdicts(policy, both.service, both.scores)]
        actions = Scored(both.scores, THRESHOLDS, rules).actions(both.gate)
        judged = [
            Decision.DECLINE if declined else Decision.REVIEW if stopped else Decision.APPROVE
            for stopped, declined in zip(actions.stopped, actions.declined, strict=True)
        ]
        assert judged == served, policy
        seen |= set(served)
    assert seen == set(Decision)
