"""The predictor's model: ONNX Runtime behind KServe's protocols.

v1: ``{"instances": [[f1, ..., fF], ...]}`` gives ``{"predictions": [p, ...]}``. v2 and gRPC: input
``features`` FP32 [N, F], output ``probability`` FP32 [N]; the answer's ``model_version`` is the
bundle's digest.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog
from kserve import InferRequest, InferResponse
from numpy.typing import NDArray

from cardfraud.adapters.bundle_cache import BundleCache, Origin, cached_bundle, start_settings
from cardfraud.adapters.bundles import Bundle, load_bundle_directory
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.contracts.bundle import InputColumn
from cardfraud.contracts.scoring import MAX_INSTANCES, TooLarge
from cardfraud.errors import IntegrityError, InvalidField, InvalidInput
from cardfraud.features.definitions import feature_set_digest
from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.settings import PredictorSettings
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transport import plain
from cardfraud_inference.transport.phases import PhasedModel
from cardfraud_inference.transport.request import current
from cardfraud_inference.transport.tensors import check_names, numbers, respond

_log = structlog.stdlib.get_logger(__name__)

FEATURES: Final = "features"
PROBABILITY: Final = "probability"
_LARGEST: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Batch:
    """A request on its way: the rows, and where they came from."""

    features: NDArray[np.float32]
    request: InferRequest | None
    scores: NDArray[np.float32] | None = None


class FraudPredictor(PhasedModel):
    """One bundle, verified, behind one name."""

    def __init__(self, settings: PredictorSettings) -> None:
        """Keep the settings; nothing is loaded before :meth:`open`."""
        super().__init__(settings.model_name)
        self._settings = settings
        self.inputs: tuple[InputColumn, ...] = ()
        self.version = ""
        self.threshold = plain.THRESHOLD

    async def open(self) -> None:
        """Load and verify the bundle.

        Raises:
            IntegrityError: a file is not what the manifest says, the graph is not what the
                signature says, or it was trained on another feature set.
            Unavailable: the object store does not answer.
            NotFound: there is no such bundle.
        """
        bundle, origin = self._load()
        signature = bundle.signature
        if signature.feature_set_digest != feature_set_digest():
            raise IntegrityError(
                "signature.json: feature_set_digest",
                feature_set_digest(),
                signature.feature_set_digest,
                hint="the bundle was trained on other features than this server's",
            )
        self._scorer = OnnxScorer(bundle.model, signature)
        self._scorer.score(np.zeros((1, len(self._scorer.names)), dtype=np.float32))
        self.inputs, self.version = signature.inputs, bundle.digest
        metrics.OPENED_FROM.labels(origin).set(1)
        metrics.SERVING.labels(
            "predictor", "", bundle.digest, "", signature.feature_set_digest
        ).set(1)
        _log.info("bundle verified", bundle=bundle.digest, origin=origin)
        self.ready = True

    async def close(self) -> None:
        """Nothing is held."""

    def get_input_types(self) -> list[dict[str, Any]]:
        """Metadata of v2."""
        shape = [-1, len(self._scorer.names)]
        return [{"name": FEATURES, "datatype": "FP32", "shape": shape}]

    def get_output_types(self) -> list[dict[str, Any]]:
        """Metadata of v2."""
        return [{"name": PROBABILITY, "datatype": "FP32", "shape": [-1]}]

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Batch:
        """Turn a request into rows.

        Raises:
            InvalidInput: it is not of the form above; names what is wrong.
        """
        del headers
        with metrics.stage("parse"):
            if isinstance(payload, InferRequest):
                check_names(payload, [FEATURES], [PROBABILITY])
                return Batch(numbers(payload, FEATURES, "FP32", 2), payload)
            return Batch(_rows(payload, self._scorer.names), None)

    async def predict(
        self,
        payload: Batch,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Batch:
        """Score the rows."""
        del headers, response_headers
        scores = await self.probabilities(payload.features)
        return Batch(payload.features, payload.request, scores)

    async def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score rows: here where that takes microseconds, in a thread where it takes longer."""
        with metrics.stage("score"):
            if len(features) > self._settings.executor_rows:
                scores = await asyncio.to_thread(self._scorer.score, features)
            else:
                scores = self._scorer.score(features)
        metrics.INSTANCES.inc(len(features))
        return scores

    async def postprocess(
        self,
        result: Batch,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> dict[str, Any] | InferResponse:
        """Turn the scores into the answer."""
        del headers, response_headers
        assert result.scores is not None  # noqa: S101 (predict sets them; for the type checker)
        metrics.time_answer(current().milliseconds)
        if result.request is None:
            return {"predictions": result.scores.tolist()}
        return respond(
            result.request, self.version, current().request_id, {PROBABILITY: result.scores}
        )

    def _load(self) -> tuple[Bundle, Origin]:
        settings = self._settings
        if settings.model_dir is not None:
            bundle = load_bundle_directory(settings.model_dir, digest=settings.bundle)
            return bundle, Origin.REGISTRY
        assert settings.bundle is not None  # noqa: S101 (the settings see to one of the two)
        cache = None if settings.cache_dir is None else BundleCache(settings.cache_dir)
        objects = ObjectStore(start_settings(ObjectStoreSettings(), cache))
        return cached_bundle(objects, settings.model_name, settings.bundle, cache)


def _rows(payload: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    """Rows of a v1 body.

    Raises:
        InvalidInput: the body is not of this form.
        InvalidField: names the first row and feature that is wrong.
        TooLarge: more rows than a request may have.
    """
    rows = payload.get("instances") if isinstance(payload, dict) else None
    if not isinstance(rows, list) or set(payload) != {"instances"}:
        raise InvalidInput('the body must be {"instances": [[number, ...], ...]}')
    if not rows:
        raise InvalidInput("instances is empty", hint="send at least one row")
    if len(rows) > MAX_INSTANCES:
        raise TooLarge("instances", MAX_INSTANCES, len(rows))
    for index, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            found = f"{len(row)} values" if isinstance(row, list) else "no list"
            reason = f"expected a list of {len(names)} numbers, got {found}"
            raise InvalidField(FEATURES, reason, index=index)
        for name, value in zip(names, row, strict=True):
            if type(value) not in {int, float}:
                raise InvalidField(name, "must be a number", index=index)
            if not abs(value) <= _LARGEST:
                raise InvalidField(name, "must be a finite number", index=index)
    return np.array(rows, dtype=np.float32)
