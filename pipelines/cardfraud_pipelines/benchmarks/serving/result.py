"""What a run of the serving benchmark found, and which budgets it kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

BASELINE: Final = "baseline"
SPLIT: Final = "split"
FUSED: Final = "fused"
PREDICTOR: Final = "predictor"
BUDGETED_CONNECTIONS: Final = (1, 4, 16)
RATIO_BUDGETS: Final[Mapping[str, float]] = {
    SPLIT: 5.0,
    FUSED: 8.0,
    f"{PREDICTOR} plain": 15.0,
    f"{PREDICTOR} v1": 15.0,
    f"{PREDICTOR} v2": 15.0,
    f"{PREDICTOR} raw": 15.0,
}
"""Requests per processor second over the baseline's, at each number of connections."""
P99_BUDGET_MS: Final = 10.0
"""Of the whole path, at half of the largest rate."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoadCost(_Result):
    """One server under as much load as some connections give.

    Attributes:
        server: its name, and for a predictor the face: plain (``POST /predict``, as the baseline
            has it), v1, v2 (JSON) or raw (v2 with binary tensors).
        connections: each with one request on its way.
        requests: answered, every one of them rightly.
        rate: requests per second.
        p50_ms, p99_ms: of the answers.
        cpu_ms: processor time of the server's own processes for one request.
        ratio: requests per processor second over the baseline's at as many connections.
        redis_cpu_ms, load_cpu_ms: of the online store and of the load tool for one request.
        mib: resident memory of the server's processes together.
    """

    server: str
    connections: NonNegativeInt
    requests: NonNegativeInt
    rate: NonNegativeFloat
    p50_ms: NonNegativeFloat
    p99_ms: NonNegativeFloat
    cpu_ms: NonNegativeFloat
    ratio: NonNegativeFloat
    redis_cpu_ms: NonNegativeFloat
    load_cpu_ms: NonNegativeFloat
    mib: NonNegativeFloat


class PacedCost(_Result):
    """One server at a steady rate of its own; latency counts from when a request was due.

    Attributes:
        rate: requests per second, half of the largest that was measured.
    """

    server: str
    connections: NonNegativeInt
    rate: NonNegativeFloat
    requests: NonNegativeInt
    p50_ms: NonNegativeFloat
    p99_ms: NonNegativeFloat
    p999_ms: NonNegativeFloat
    cpu_ms: NonNegativeFloat


class StageCost(_Result):
    """Where the time of a request goes, at one connection: the server's own histogram."""

    server: str
    stage: str
    mean_ms: NonNegativeFloat


class StoreCost(_Result):
    """The whole path with some users in the online store.

    Attributes:
        users: in the store.
        asked: different requests, each about a user drawn from all of them.
        fill_seconds: what filling it took.
        store_mib: resident memory of the online store.
    """

    users: NonNegativeInt
    asked: NonNegativeInt
    fill_seconds: NonNegativeFloat
    store_mib: NonNegativeFloat
    cost: LoadCost


class ServingResult(_Result):
    """Everything that the serving part of ``cardfraud bench`` writes.

    Attributes:
        model: what every server serves, in words.
        share_with_reasons: part of the transactions that are not approved; their answers say why.
        deadlines_s: that the servers have here, by setting; the shipped ones are shorter.
        versions: of the baseline's libraries.
        costs: by server and number of connections.
        paced: the whole path at half of its largest rate.
        stages: where the time goes.
        stores: how it grows with the users in the store.
        log_share: rows that the prediction log wrote for each decision that was answered; None
            where no server decided.
        missed: a sentence for each budget that was not kept.
    """

    model: str
    share_with_reasons: NonNegativeFloat
    deadlines_s: Mapping[str, float]
    versions: Mapping[str, str]
    costs: tuple[LoadCost, ...]
    paced: tuple[PacedCost, ...]
    stages: tuple[StageCost, ...]
    stores: tuple[StoreCost, ...]
    log_share: NonNegativeFloat | None
    missed: tuple[str, ...]


def missed_budgets(
    costs: Sequence[LoadCost], paced: Sequence[PacedCost], log_share: float | None
) -> tuple[str, ...]:
    """Return a sentence for each budget that was not kept."""
    ratios = (
        f"{cost.server} at {cost.connections} connections: {cost.ratio:.2f} times the baseline's "
        f"requests per processor second, at least {RATIO_BUDGETS[cost.server]:.0f}"
        for cost in costs
        if cost.connections in BUDGETED_CONNECTIONS
        and cost.ratio < RATIO_BUDGETS.get(cost.server, 0.0)
    )
    latencies = (
        f"{one.server} at {one.rate:.0f} requests per second: p99 {one.p99_ms:.1f} ms, at most "
        f"{P99_BUDGET_MS:.0f} ms"
        for one in paced
        if one.p99_ms > P99_BUDGET_MS
    )
    if log_share is None or log_share == 1:
        return (*ratios, *latencies)
    return (*ratios, *latencies, f"the prediction log wrote {log_share:.4%} of its rows")
