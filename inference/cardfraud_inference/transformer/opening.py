"""Opens everything that the transformer stands on, in the order in which it can fail."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import structlog

from cardfraud.adapters.bundle_cache import BundleCache, Origin, start_settings
from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.contracts.bundle import Signature
from cardfraud.contracts.policy import Policy
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.scoring import contributions
from cardfraud.scoring.session import OnnxScorer
from cardfraud_inference.policy_source import LONGEST_ANSWER_S, Place, PolicyFollower
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.telemetry.prediction_log import PredictionLog
from cardfraud_inference.transformer.answers import Served
from cardfraud_inference.transformer.explanations import Explanations
from cardfraud_inference.transformer.fused_model import FusedModel
from cardfraud_inference.transformer.predictor_client import PredictorClient
from cardfraud_inference.transformer.probabilities import BatchedPredictor, Probabilities
from cardfraud_inference.transformer.states import StateReader
from cardfraud_inference.transformer.verification import Verified, verify

_log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Opened:
    """What the transformer holds while it serves.

    Attributes:
        served: model and policy; replaced as a whole when the policy changes.
        signature: of the model.
        model: gives probabilities.
        states: gives the features' state.
        explanations: says why; None where the bundle or the settings do not allow it.
        prediction_log: takes every decision.
        drain_s: seconds that writing the rest of the log may take at the end.
    """

    served: Served
    signature: Signature
    model: Probabilities
    states: StateReader
    explanations: Explanations | None
    prediction_log: PredictionLog
    drain_s: float
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def adopt(self, policy: Policy, digest: str) -> None:
        """Let another policy decide from now on; requests under way keep theirs."""
        before, self.served = self.served, self.served.under(policy, digest)
        metrics.SERVING.remove(*labels_of(before))
        metrics.SERVING.labels(*labels_of(self.served)).set(1)

    async def close(self) -> None:
        """Write the rest of the prediction log and close the connections."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.states.close()
        await self.model.close()
        await asyncio.to_thread(self.prediction_log.close, self.drain_s)


async def open_all(settings: TransformerSettings) -> Opened:
    """Verify bundle, policy and feature store, and connect.

    Raises:
        IntegrityError: a checksum, a digest or the feature set is not what it must be.
        Unavailable: the object store or Redis does not answer.
        NotFound: there is no such bundle or policy.
    """
    objects = ObjectStore(ObjectStoreSettings())
    cache = None if settings.cache_dir is None else BundleCache(settings.cache_dir)
    at_start = start_settings(objects.settings, cache)
    features = FeatureStore(FeatureStoreSettings(), at_start, cache=cache)
    verified = verify(settings, ObjectStore(at_start), features, cache)
    # The first read connects and compiles; a request that paid for it would miss its deadline.
    await features.read_online_async(["-"], ["-"])
    served, signature = verified.served, verified.bundle.signature
    model = _model(settings, verified)
    explainer = contributions.explainer(signature) if settings.reasons_timeout_s else None
    opened = Opened(
        served=served,
        signature=signature,
        model=model,
        explanations=(
            None
            if explainer is None
            else Explanations(explainer, model, settings.reasons_timeout_s)
        ),
        states=StateReader(features, settings.features_timeout_s, micro_batch=settings.micro_batch),
        prediction_log=PredictionLog(
            objects,
            settings.model_name,
            key=settings.prediction_log_key.get_secret_value().encode(),
            journal=settings.prediction_log_journal,
            rows=settings.prediction_log_rows,
            seconds=settings.prediction_log_seconds,
            capacity=settings.prediction_log_queue,
        ),
        drain_s=settings.prediction_log_drain_s,
    )
    metrics.OPENED_FROM.labels(verified.origin).set(1)
    metrics.SERVING.labels(*labels_of(served)).set(1)
    if settings.policy_refresh_s:
        follower = PolicyFollower(
            objects,
            Place(settings.model_name, settings.track, settings.bundle),
            settings.policy,
            fields=FEATURE_NAMES,
            adopt=opened.adopt,
            seconds=settings.policy_refresh_s,
            cache=cache,
        )
        opened.tasks.append(asyncio.create_task(follower.run(), name="policy"))
        # The policy that was followed last decides from the first answer on, if it can be had.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(follower.looked.wait(), LONGEST_ANSWER_S)
    event = "verified" if verified.origin is Origin.REGISTRY else "opened from the cache"
    _log.info(event, bundle=settings.bundle, policy=settings.policy, track=settings.track)
    return opened


def labels_of(served: Served) -> tuple[str, str, str, str, str]:
    """Return the labels of what is served, for the metric that says so."""
    return (
        "transformer",
        served.model.track,
        served.model.version,
        served.policy_version.version,
        served.feature_set,
    )


def _model(settings: TransformerSettings, verified: Verified) -> Probabilities:
    if settings.fused:
        return FusedModel(OnnxScorer(verified.bundle.model, verified.bundle.signature))
    client = PredictorClient(
        settings.predictor_host,
        settings.model_name,
        timeout_s=settings.predictor_timeout_s,
        version=settings.bundle,
    )
    if not settings.micro_batch:
        return client
    return BatchedPredictor(client, settings.predictor_timeout_s)
