"""What a demo produced: everything its table and its report show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Decision
from cardfraud.evaluation.gate import GateVerdict
from cardfraud_pipelines.demo.examples import Example
from cardfraud_pipelines.demo.parity import Parity
from cardfraud_pipelines.demo.plan import Plan
from cardfraud_pipelines.ladder.result import LadderResult


@dataclass(frozen=True, slots=True)
class DataSeen:
    """The raw data, by day, and what validation made of it.

    Attributes:
        source: where it came from, in words.
        days: the days, rising.
        transactions: rows of each day.
        frauds: known frauds of each day.
        kept: rows that validation kept.
        quarantined: rows that it set aside.
    """

    source: str
    days: tuple[date, ...]
    transactions: NDArray[np.int64]
    frauds: NDArray[np.int64]
    kept: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One trained model, judged on the validation and on the test span."""

    algorithm: str
    validation_average_precision: float
    test_average_precision: float
    test_auc_roc: float
    test_card_precision: float
    test_card_precision_ceiling: float
    test_brier: float
    onnx_difference: float
    chosen: bool
    verdict: GateVerdict
    against: str | None
    """Algorithm of the champion that it was compared with; None where there was none."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """The replayed rows, [N] each, in the order in which they were served.

    Attributes:
        served: probability that the server gave.
        offline: probability that the same model gives on the offline values.
        fraud: what became known later.
        amount: major units.
        decision: approve, review or decline.
        latencies_ms: one value a request.
        batch_sizes: instances of each request.
        seconds: duration of the whole replay, pushes and daily jobs included.
    """

    served: NDArray[np.float64]
    offline: NDArray[np.float64]
    fraud: NDArray[np.bool_]
    amount: NDArray[np.float64]
    decision: tuple[str, ...]
    latencies_ms: NDArray[np.float64]
    batch_sizes: NDArray[np.int64]
    seconds: float

    @property
    def stopped(self) -> NDArray[np.bool_]:
        """Rows that the policy did not let pass, [N]: reviewed or declined."""
        return np.array([each != Decision.APPROVE for each in self.decision], dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the demo and how long it took."""

    name: str
    seconds: float
    note: str


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """The whole demo."""

    plan: Plan
    data: DataSeen
    models: tuple[ModelRow, ...]
    bundle: str
    policy: str
    review_threshold: float
    decline_threshold: float
    replayed: Replayed
    parity: Parity
    examples: tuple[Example, ...]
    ladder: LadderResult
    stages: tuple[Stage, ...]
    object_store: str
    evaluation_report: Path
    validation_report: Path

    @property
    def verdict(self) -> GateVerdict:
        """The gate's verdict on the model that is served."""
        return next(model.verdict for model in self.models if model.chosen)
