"""Reasons are optional: whatever becomes of them, the decision stands."""

import asyncio
import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import REGISTRY

from cardfraud.contracts.policy import Decision
from cardfraud.features.definitions import FEATURES
from cardfraud.scoring.assembly import Assembly, assemble_without_state
from cardfraud.scoring.contributions import Explainer, explainer
from cardfraud.scoring.decision import Verdict
from cardfraud_inference.transformer.explanations import Explanations
from cardfraud_inference.transformer.predictor_client import PredictorFailed
from cardfraud_inference.transport.request import begin
from tests.support.bundles import signature
from tests.support.feature_stores import START, record

DECLINED = Verdict(Decision.DECLINE, ("probability at or above 0.8",), scored=0)


class Model:
    """Rates amounts, or does what a test wants of it."""

    def __init__(self, fault: Exception | None = None, *, stalls: bool = False) -> None:
        """Take what goes wrong."""
        self.fault, self.stalls = fault, stalls

    async def score(self, features: NDArray[np.float32], headers: object) -> NDArray[np.float32]:
        """Is not asked here."""
        raise AssertionError(features, headers)

    async def score_aside(
        self, features: NDArray[np.float32], headers: object
    ) -> NDArray[np.float32]:
        """Return a probability that rises with the amount."""
        del headers
        if self.fault is not None:
            raise self.fault
        if self.stalls:
            await asyncio.Event().wait()
        amount = features[:, [feature.name for feature in FEATURES].index("amount")]
        return (amount / (amount + 100)).astype(np.float32)

    async def close(self) -> None:
        """Nothing is held."""


def asked() -> Explainer:
    """Return what is asked of a model whose signature knows what is typical."""
    plain = signature()
    columns = tuple(one.model_copy(update={"typical": 1.0}) for one in plain.inputs)
    made = explainer(plain.model_copy(update={"inputs": columns}))
    assert made is not None
    return made


def added(model: Model, timeout_s: float) -> list[Verdict]:
    """Explain one declined and one approved transaction."""
    whole = [record("t1", START, amount_minor=90_000), record("t2", START, amount_minor=100)]
    assembly: Assembly = assemble_without_state(whole)
    approved = dataclasses.replace(DECLINED, decision=Decision.APPROVE, reasons=(), scored=None)

    async def run() -> list[Verdict]:
        begin({})
        explanations = Explanations(asked(), model, timeout_s)
        return await explanations.added([DECLINED, approved], assembly, assembly.vector)

    return asyncio.run(run())


def unexplained(kind: str) -> float:
    """Return how many were counted so."""
    return REGISTRY.get_sample_value("cardfraud_unexplained_total", {"kind": kind}) or 0.0


def test_what_is_declined_is_explained_and_what_is_approved_is_not() -> None:
    """The contribution stands behind the score's sentence, with the transaction's own amount."""
    declined, approved = added(Model(), 30.0)
    assert declined.reasons[0] == DECLINED.reasons[0]
    assert "900.00" in declined.reasons[1]
    assert approved.reasons == ()


@pytest.mark.parametrize(
    ("model", "timeout_s", "kind"),
    [
        (Model(stalls=True), 0.01, "late"),
        (Model(PredictorFailed("connection", "gone")), 30.0, "error"),
        (Model(RuntimeError("whatever a runtime raises")), 30.0, "error"),
    ],
    ids=["late", "predictor failed", "any other error"],
)
def test_without_reasons_the_decision_stands(model: Model, timeout_s: float, kind: str) -> None:
    """No time, no predictor, any fault: the verdicts come back as they were, and it is counted."""
    before = unexplained(kind)
    declined, approved = added(model, timeout_s)
    assert declined == DECLINED
    assert approved.reasons == ()
    assert unexplained(kind) == before + 1
