"""The transformer's model: state, values, vector, probability, decision, and the log of it all."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import structlog
from kserve import InferRequest, InferResponse, Model
from numpy.typing import NDArray

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings, OnlineRow
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.contracts.policy import WhenPredictorFails
from cardfraud.contracts.scoring import FeatureHealth, Prediction
from cardfraud.contracts.transactions import Transaction
from cardfraud.errors import CardfraudError
from cardfraud.scoring.assembly import Assembly, assemble, assemble_without_state
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.telemetry.prediction_log import PredictionLog
from cardfraud_inference.transformer.answers import Served, predictions, records, to_tensors
from cardfraud_inference.transformer.predictor_client import (
    PredictorClient,
    PredictorFailed,
    within,
)
from cardfraud_inference.transformer.requests import (
    OUTPUTS,
    REQUIRED,
    check_deployment,
    happened_long_ago,
    read_transactions,
)
from cardfraud_inference.transformer.verification import verify
from cardfraud_inference.transport.request import current
from cardfraud_inference.transport.tensors import respond

_log = structlog.stdlib.get_logger(__name__)

INLINE_ROWS: Final = 32


@dataclass(frozen=True, slots=True)
class Work:
    """A request on its way.

    Attributes:
        transactions: N, checked.
        request: of v2 or gRPC; None for v1.
        assembly: their features.
        stored: whether the feature store could be read.
        scores: [N] float32; None where rules alone decide.
    """

    transactions: list[Transaction]
    request: InferRequest | None
    assembly: Assembly
    stored: bool
    scores: NDArray[np.float32] | None = field(default=None)


class FraudTransformer(Model):  # type: ignore[misc]  # kserve is untyped
    """One track: a bundle's predictor, a policy, the feature store, and the prediction log."""

    def __init__(self, settings: TransformerSettings) -> None:
        """Keep the settings; nothing is connected before :meth:`open`."""
        super().__init__(settings.model_name, return_response_headers=True)
        self._settings = settings
        self._objects = ObjectStore(ObjectStoreSettings())
        self._features = FeatureStore(FeatureStoreSettings(), ObjectStoreSettings())
        self._prediction_log: PredictionLog | None = None
        self._predictor: PredictorClient | None = None

    async def open(self) -> None:
        """Verify bundle, policy and feature store, and connect.

        Raises:
            IntegrityError: a checksum, a digest or the feature set is not what it must be.
            Unavailable: the object store or Redis does not answer.
            NotFound: there is no such bundle or policy.
        """
        settings = self._settings
        self._served: Served = verify(settings, self._objects, self._features)
        # The first read connects and compiles; a request that paid for it would miss its deadline.
        await self._features.read_online_async(["-"], ["-"])
        self._predictor = PredictorClient(
            settings.predictor_host,
            settings.model_name,
            timeout_s=settings.predictor_timeout_s,
            version=settings.bundle,
        )
        self._prediction_log = PredictionLog(
            self._objects,
            settings.model_name,
            rows=settings.prediction_log_rows,
            seconds=settings.prediction_log_seconds,
            capacity=settings.prediction_log_queue,
        )
        metrics.SERVING.labels(
            "transformer",
            settings.track,
            settings.bundle,
            settings.policy,
            self._served.feature_set,
        ).set(1)
        _log.info("verified", bundle=settings.bundle, policy=settings.policy, track=settings.track)
        self.ready = True

    async def close(self) -> None:
        """Write the rest of the prediction log and close the connections."""
        await self._features.close_async()
        if self._predictor is not None:
            await self._predictor.close()
        if self._prediction_log is not None:
            await asyncio.to_thread(
                self._prediction_log.close, self._settings.prediction_log_drain_s
            )

    def get_input_types(self) -> list[dict[str, Any]]:
        """Metadata of v2."""
        return [
            {"name": name, "datatype": "FP64" if name == "amount" else "BYTES", "shape": [-1]}
            for name in REQUIRED
        ]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Metadata of v2."""
        return [
            {"name": name, "datatype": "FP32" if name == "probability" else "BYTES", "shape": [-1]}
            for name in OUTPUTS
        ]

    def validate(self, payload: Any) -> Any:
        """Leave the payload alone: :meth:`preprocess` has checked it."""
        return payload

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Work:
        """Turn a request into transactions and their features.

        Raises:
            InvalidInput: any of it is wrong; nothing is scored then.
        """
        del headers
        settings = self._settings
        with metrics.stage("parse"):
            transactions = read_transactions(payload)
            check_deployment(transactions, settings.currency, settings.clock)
        with metrics.stage("features"):
            rows = await self._read(transactions)
        with metrics.stage("assemble"):
            assembly = (
                assemble_without_state(transactions)
                if rows is None
                else await _assembled(transactions, rows)
            )
            health = tuple(
                self._by_clock(one, transaction)
                for one, transaction in zip(assembly.health, transactions, strict=True)
            )
        return Work(
            transactions,
            payload if isinstance(payload, InferRequest) else None,
            replace(assembly, health=health),
            stored=rows is not None,
        )

    async def predict(
        self,
        payload: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Work:
        """Ask the predictor, unless there is nothing to ask it about.

        Raises:
            PredictorFailed: it did not answer, and the policy says that this is an error.
        """
        del headers, response_headers
        if not payload.stored:
            return payload
        assert self._predictor is not None  # noqa: S101 (open sets it; for the type checker)
        try:
            with metrics.stage("predict"):
                scores = await self._predictor.score(payload.assembly.vector, current().headers)
        except PredictorFailed as error:
            metrics.PREDICTOR_ERRORS.labels(error.kind).inc()
            _log.warning("predictor failed", kind=error.kind, reason=error.reason)
            if self._served.policy.when_predictor_fails is WhenPredictorFails.UNAVAILABLE:
                raise
            return payload
        return replace(payload, scores=scores)

    async def postprocess(
        self,
        result: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Decide, log, and build the answer."""
        del headers
        context, served = current(), self._served
        with metrics.stage("decide"):
            answers = predictions(served, result.transactions, result.assembly, result.scores)
            body: dict[str, Any] | InferResponse
            if result.request is None:
                body = {"predictions": [one.model_dump(mode="json") for one in answers]}
            else:
                version = served.model.version
                tensors = to_tensors(answers)
                body = respond(result.request, version, context.request_id, tensors)
        if response_headers is not None:
            response_headers["x-fraud-track"] = served.model.track
        self._tell(result, answers)
        return body

    def _tell(self, work: Work, answers: list[Prediction]) -> None:
        context, track = current(), self._served.model.track
        metrics.STAGE_MILLISECONDS.labels("total").observe(context.milliseconds)
        metrics.INSTANCES.inc(len(answers))
        for answer in answers:
            metrics.DECISIONS.labels(track, answer.decision.value).inc()
            if answer.probability is not None:
                metrics.SCORE.labels(track).observe(answer.probability)
            _count_health(answer.features)
        assert self._prediction_log is not None  # noqa: S101 (open sets it; for the type checker)
        self._prediction_log.add(
            records(
                self._served,
                work.transactions,
                work.assembly,
                answers,
                request_id=context.request_id,
                served_at_us=time.time_ns() // 1_000,
                latency_ms=context.milliseconds,
            )
        )

    async def _read(self, transactions: list[Transaction]) -> list[OnlineRow] | None:
        """State of each transaction; None when the store did not answer in time."""
        users = [one.user_id for one in transactions]
        merchants = [one.merchant_id for one in transactions]
        try:
            async with asyncio.timeout(within(self._settings.features_timeout_s, len(users))):
                return await self._features.read_online_async(users, merchants)
        except TimeoutError:
            kind = "timeout"
        except CardfraudError as error:
            kind = type(error).__name__
        metrics.FEATURE_STORE_ERRORS.labels(kind).inc()
        _log.warning("feature store failed", kind=kind)
        return None

    def _by_clock(self, health: FeatureHealth, transaction: Transaction) -> FeatureHealth:
        if not happened_long_ago(transaction, self._settings.clock):
            return health
        return health.model_copy(update={"degraded": True})


async def _assembled(transactions: list[Transaction], rows: list[OnlineRow]) -> Assembly:
    """Assemble here what takes a millisecond, in a thread what would hold other requests up."""
    if len(rows) <= INLINE_ROWS:
        return assemble(transactions, rows)
    return await asyncio.to_thread(assemble, transactions, rows)


def _count_health(health: FeatureHealth) -> None:
    for entity in health.missing:
        metrics.MISSING.labels(entity).inc()
    for view in health.stale:
        metrics.STALE.labels(view).inc()
    if health.late:
        metrics.LATE.inc()
    if health.degraded:
        metrics.DEGRADED.inc()
    if health.age_seconds is not None:
        metrics.FEATURE_AGE_SECONDS.observe(health.age_seconds)
