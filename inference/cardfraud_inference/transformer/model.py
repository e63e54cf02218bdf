"""The transformer's model: state, values, vector, probability, decision, and the log of it all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import structlog
from kserve import InferRequest, InferResponse
from numpy.typing import NDArray

from cardfraud.adapters.feature_store import OnlineRow
from cardfraud.contracts.bundle import InputColumn
from cardfraud.contracts.policy import WhenPredictorFails
from cardfraud.contracts.scoring import MAX_INSTANCES, FeatureHealth, Prediction
from cardfraud.contracts.transactions import Transaction
from cardfraud.errors import Unavailable
from cardfraud.scoring.assembly import Assembly, assemble, assemble_without_state
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transformer.answers import (
    Served,
    for_the_log,
    predictions,
    to_tensors,
    verdicts,
)
from cardfraud_inference.transformer.deadlines import within
from cardfraud_inference.transformer.opening import Opened, open_all
from cardfraud_inference.transformer.predictor_client import PredictorFailed
from cardfraud_inference.transformer.repeated import Claim, RepeatedAnswers
from cardfraud_inference.transformer.requests import (
    OUTPUTS,
    REQUIRED,
    check_deployment,
    happened_long_ago,
    read_transactions,
)
from cardfraud_inference.transport.phases import PhasedModel
from cardfraud_inference.transport.request import current
from cardfraud_inference.transport.tensors import respond

_log = structlog.stdlib.get_logger(__name__)

INLINE_ROWS: Final = 32


@dataclass(slots=True)
class Work:
    """A request on its way; each phase adds what it found.

    Attributes:
        request: of v2 or gRPC; None for v1.
        opened: what it is answered with, however soon that is closed.
        claim: which of its transactions are answered anew, and how the others get their answer.
        fresh: those that are, N of them.
        served: model and policy that answer them, however soon there are others.
        assembly: their features; None where there are none to answer.
        vector: [N, F] float32, the model's input; None likewise.
        stored: whether the feature store could be read.
        scores: [N] float32; None where rules alone decide.
    """

    request: InferRequest | None
    opened: Opened
    claim: Claim
    fresh: list[Transaction]
    served: Served
    assembly: Assembly | None = None
    vector: NDArray[np.float32] | None = None
    stored: bool = True
    scores: NDArray[np.float32] | None = None


class FraudTransformer(PhasedModel):
    """One track: a model, a policy, the feature store, and the prediction log."""

    def __init__(self, settings: TransformerSettings) -> None:
        """Keep the settings; nothing is connected before :meth:`open`."""
        super().__init__(settings.model_name)
        self._settings = settings
        self._repeated = RepeatedAnswers(settings.repeated_entries, settings.repeated_seconds)
        # What the largest request may take before its answers are given up.
        self._patience_s = settings.reasons_timeout_s + within(
            settings.features_timeout_s + settings.predictor_timeout_s, MAX_INSTANCES
        )
        self._opened: Opened | None = None

    @property
    def opened(self) -> Opened:
        """What is held while it serves."""
        if self._opened is None:
            raise Unavailable(f"model {self.name}", "it is not open")
        return self._opened

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """Inputs of the model, in order."""
        return self.opened.signature.inputs

    @property
    def version(self) -> str:
        """Bundle digest."""
        return self.opened.served.model.version

    @property
    def threshold(self) -> float:
        """Probability from which the policy has a transaction reviewed."""
        return self.opened.served.policy.thresholds.review

    async def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [N] probabilities of [N, F] features.

        Raises:
            PredictorFailed: there is no usable answer in time.
        """
        try:
            return await self.opened.model.score(features, current().headers)
        except PredictorFailed as error:
            metrics.PREDICTOR_ERRORS.labels(error.kind).inc()
            raise

    async def open(self) -> None:
        """Verify bundle, policy and feature store, and connect.

        Raises:
            IntegrityError: a checksum, a digest or the feature set is not what it must be.
            Unavailable: the object store or Redis does not answer.
            NotFound: there is no such bundle or policy.
        """
        self._opened = await open_all(self._settings)
        self.ready = True

    async def close(self) -> None:
        """Write the rest of the prediction log and close the connections."""
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

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
        opened = self.opened
        claim = self._repeated.claim(transactions)
        work = Work(
            request=payload if isinstance(payload, InferRequest) else None,
            opened=opened,
            claim=claim,
            fresh=[transactions[position] for position in claim.fresh],
            served=opened.served,
        )
        if not work.fresh:
            return work
        with self._forgotten_if_it_fails(work):
            with metrics.stage("features"):
                rows = await opened.states.read(work.fresh)
            with metrics.stage("assemble"):
                assembly = await _assembled(work.fresh, rows)
            work.assembly, work.stored = self._by_clock(work, assembly), rows is not None
            work.vector = work.served.vector(assembly)
            return work

    async def predict(
        self,
        payload: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Work:
        """Ask the model, unless there is nothing to ask it about.

        Raises:
            PredictorFailed: it did not answer, and the policy says that this is an error.
        """
        del headers, response_headers
        vector = payload.vector
        if vector is None or not payload.stored:
            return payload
        with self._forgotten_if_it_fails(payload):
            try:
                with metrics.stage("predict"):
                    payload.scores = await payload.opened.model.score(vector, current().headers)
            except PredictorFailed as error:
                metrics.PREDICTOR_ERRORS.labels(error.kind).inc()
                _log.warning("predictor failed", kind=error.kind, reason=error.reason)
                policy = payload.served.policy
                if policy.when_predictor_fails is WhenPredictorFails.UNAVAILABLE:
                    metrics.RUNG.labels("unavailable").inc(len(payload.fresh))
                    raise
            return payload

    async def postprocess(
        self,
        result: Work,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Decide, log, and build the answer."""
        del headers
        with self._forgotten_if_it_fails(result), metrics.stage("decide"):
            answered = await self._answered(result)
        if answered:  # before anything is waited for: others may get these answers already
            self._tell(result, answered)
        answers = await self._in_order(result.claim, answered)
        metrics.time_answer(current().milliseconds)
        served = result.served
        if response_headers is not None:
            response_headers["x-fraud-track"] = served.model.track
        if result.request is None:
            return {"predictions": [one.model_dump(mode="json") for one in answers]}
        version, request_id = served.model.version, current().request_id
        return respond(result.request, version, request_id, to_tensors(answers))

    async def _answered(self, work: Work) -> list[Prediction]:
        """Answer what is fresh, and settle it for whoever waits for the same."""
        if work.assembly is None or work.vector is None:
            return []
        decided = verdicts(work.served.policy, work.assembly, work.scores)
        for verdict in decided:
            metrics.count_rules(verdict)
        explanations = work.opened.explanations
        if work.scores is not None and explanations is not None:
            decided = await explanations.added(decided, work.assembly, work.vector)
        answers = predictions(work.served, work.fresh, work.assembly, work.scores, decided)
        self._repeated.settle(work.claim, answers)
        return answers

    def _tell(self, work: Work, answers: Sequence[Prediction]) -> None:
        context, track = current(), work.served.model.track
        milliseconds = context.milliseconds
        metrics.INSTANCES.inc(len(answers))
        for answer in answers:
            metrics.count_answer(track, answer, stored=work.stored)
        assert work.assembly is not None  # noqa: S101 (there are answers; for the type checker)
        assert work.vector is not None  # noqa: S101 (likewise)
        work.opened.prediction_log.add(
            for_the_log(
                work.served,
                work.fresh,
                work.assembly,
                answers,
                vector=work.vector,
                scores=work.scores,
                request_id=context.request_id,
                served_at_us=time.time_ns() // 1_000,
                latency_ms=milliseconds,
            )
        )

    async def _in_order(self, claim: Claim, answered: Sequence[Prediction]) -> list[Prediction]:
        """Return the answers to a whole request; those of others are waited for.

        Raises:
            Unavailable: another request, which had the same transaction first, takes too long.
        """
        own = dict(zip(claim.fresh, answered, strict=True))
        others = len(claim.given) - len(own)
        if not others:
            return list(answered)
        try:
            async with asyncio.timeout(self._patience_s):
                answers = [
                    # Shielded: whoever asked first goes on when somebody else stops waiting.
                    own[position] if position in own else await asyncio.shield(answer)
                    for position, answer in enumerate(claim.given)
                ]
        except TimeoutError as error:
            raise Unavailable("answer", "the same transaction is still being answered") from error
        metrics.REPEATED.inc(others)
        metrics.INSTANCES.inc(others)
        return answers

    def _by_clock(self, work: Work, assembly: Assembly) -> Assembly:
        """Mark what happened too long ago for a server whose clock is live."""
        clock = self._settings.clock
        late = [happened_long_ago(transaction, clock) for transaction in work.fresh]
        if not any(late):
            return assembly
        health: list[FeatureHealth] = [
            one.model_copy(update={"degraded": True}) if behind else one
            for one, behind in zip(assembly.health, late, strict=True)
        ]
        return replace(assembly, health=tuple(health))

    @contextmanager
    def _forgotten_if_it_fails(self, work: Work) -> Iterator[None]:
        """Keep no claim on answers that do not come: others wait for them."""
        try:
            yield
        except BaseException as error:
            reason = (
                error if isinstance(error, Exception) else Unavailable("answer", "it was ended")
            )
            self._repeated.forget(work.fresh, work.claim, reason)
            raise


async def _assembled(transactions: list[Transaction], rows: list[OnlineRow] | None) -> Assembly:
    """Assemble here what takes a millisecond, in a thread what would hold other requests up."""
    if rows is None:
        return assemble_without_state(transactions)
    if len(rows) <= INLINE_ROWS:
        return assemble(transactions, rows)
    return await asyncio.to_thread(assemble, transactions, rows)
