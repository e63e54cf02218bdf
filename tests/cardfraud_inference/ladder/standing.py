"""Servers on stores of their own, behind links that can be broken, and what they should answer.

The feature store knows two users and two merchants. Of ``u1`` and ``m1`` it has the state of the
day of :data:`LATER`, of ``u2`` and ``m2`` that of three days before, which is too old.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any, Final

import polars as pl

from cardfraud.adapters.feature_store import FeatureStore
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.policy import Policy, Rule
from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud_pipelines.local import Endpoints, LocalStack
from tests.cardfraud_inference.clients import instance, predict
from tests.support.faulty_link import FaultyLink
from tests.support.feature_stores import day_number, feature_store, history, labels
from tests.support.graphs import tiny_policy
from tests.support.servers import Address
from tests.support.serving_state import NOW, materialize
from tests.support.stores import object_store

LATER: Final = NOW + timedelta(days=3, hours=1)
AMOUNT: Final = 57.16

HEALTHY: Final[dict[str, Any]] = {
    "age_seconds": 3_600.0,
    "missing": [],
    "stale": [],
    "degraded": False,
    "late": False,
}
UNREAD: Final[dict[str, Any]] = {
    "age_seconds": None,
    "missing": [],
    "stale": [],
    "degraded": True,
    "late": False,
}
"""Health where the store could not be read: nobody knows what it has."""

_numbers = count()


@dataclass(frozen=True)
class Standing:
    """What the tests break.

    Attributes:
        stack: its parts ``s3``, ``redis``, ``predictor`` and the transformers by their names.
        bundle: digest of what is served.
        policy: digest of what decides, where the predictor's absence is left to the rules.
        storage: variables that lead to S3 and Redis through the links.
        redis: link from the transformers to Redis.
        s3: link to the object store.
        predictor: link to the predictor, but for the fused transformer, which has none.
        split: transformer before the predictor.
        fused: transformer with the model inside.
        strict: like ``split``, with a policy that answers 503 without a predictor.
    """

    stack: LocalStack
    bundle: str
    policy: str
    storage: Mapping[str, str]
    redis: FaultyLink
    s3: FaultyLink
    predictor: FaultyLink
    split: Address
    fused: Address
    strict: Address

    @property
    def objects(self) -> ObjectStore:
        """The object store, past the link."""
        return object_store(self.stack.endpoints)

    @contextmanager
    def killed(self, name: str) -> Iterator[None]:
        """End a part as SIGKILL does; after the block it answers again, on its port and data."""
        supervisor = self.stack.supervisor
        running = supervisor._parts[name]
        running._guardian.kill()  # which takes the part with it
        running._guardian.wait()
        try:
            yield
        finally:
            supervisor.stop(name)
            supervisor.run(running.part)


def rules_policy(**changes: object) -> Policy:
    """Return a policy with a rule on the request and a rule on what the store knows."""
    fields = [
        ("large_amount", "amount", 5_000, "more than anybody spends"),
        ("far_above_usual", "amount_over_avg", 50, "far more than this card pays"),
    ]
    rules = tuple(
        Rule.model_validate(
            {"name": name, "field": field, "op": "gt", "value": value, "reason": reason}
            | {"decision": "decline"}
        )
        for name, field, value, reason in fields
    )
    return tiny_policy(rules=rules, **changes)


def fill(endpoints: Endpoints) -> None:
    """Materialize everything as of NOW, and ``u1`` and ``m1`` three days later once more."""
    store = feature_store(endpoints)
    store.apply()
    materialize(store, endpoints, day_number(NOW), available=NOW)
    _refresh(store, object_store(endpoints))
    store.close()


def _refresh(store: FeatureStore, objects: ObjectStore) -> None:
    table, available = history(), NOW + timedelta(days=3)
    day = day_number(available)
    fresh = {
        USER_HISTORY_STATE.name: user_snapshot(table, day).filter(pl.col("user_id") == "u1"),
        MERCHANT_STATE.name: merchant_snapshot(table, labels(), day * 24).filter(
            pl.col("merchant_id") == "m1"
        ),
    }
    for view, rows in fresh.items():
        stamp = pl.lit(available).cast(pl.Datetime("us", "UTC"))
        key = keys.partition(keys.state_folder(view), available.date())
        objects.put_frame(key, rows.with_columns(event_timestamp=stamp))
    store.materialize(available, available + timedelta(days=1))


def question(**changes: object) -> dict[str, Any]:
    """Return a transaction that nobody has asked about, of ``u1`` at ``m1`` unless changed."""
    usual = {"transaction_id": f"q{next(_numbers)}", "event_time": LATER.isoformat()}
    return instance(**(usual | {"amount": AMOUNT} | changes))


def ask(address: Address, **changes: object) -> dict[str, Any]:
    """Ask about one transaction; return the answer without its id, which is the question's."""
    (answer,) = ask_all(address, changes)
    return answer


def ask_all(address: Address, *changes: Mapping[str, object]) -> list[dict[str, Any]]:
    """Ask about several transactions in one request; so they wait for one deadline together."""
    asked = [question(**one) for one in changes]
    response = predict(address, *asked)
    assert response.status_code == 200, response.text
    answers: list[dict[str, Any]] = response.json()["predictions"]
    ids = [answer.pop("transaction_id") for answer in answers]
    assert ids == [one["transaction_id"] for one in asked]
    return answers


def probability(*, user: bool = True, merchant: bool = True, amount: float = AMOUNT) -> float:
    """What the model says with or without the state of ``u1`` and of ``m1``, by hand.

    Of ``u1`` the history holds 6 transactions with a mean of 6.00, and ``m1`` had 3 in the week
    that its window covers; defaults are 0.
    """
    known_user = 0.1 * 6 - 0.01 * 6.00 if user else 0.0
    known_merchant = 0.2 * 3 if merchant else 0.0
    return 1 / (1 + math.exp(-(0.01 * amount + known_user + known_merchant - 3)))
