"""Follows the policy that ``tracks.json`` names for this server's track, without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog

from cardfraud.adapters.bundle_cache import BundleCache, cached_policy, cached_tracks
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.adapters.pointers import read_tracks
from cardfraud.contracts.policy import Policy
from cardfraud.contracts.tracks import TrackName, Tracks
from cardfraud.errors import CardfraudError, NotFound
from cardfraud.scoring.decision import check_rules
from cardfraud_inference.telemetry import metrics

_log = structlog.stdlib.get_logger(__name__)

LONGEST_ANSWER_S: Final = 3.0
"""A look that takes longer is given up: the next one comes soon, and a stop must not wait."""

Adopt = Callable[[Policy, str], None]
"""Gets a policy and its digest, on the event loop; what decides from then on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server stands: its model, its track and the bundle that it serves."""

    model: str
    track: TrackName
    bundle: str


class PolicyFollower:
    """Looks at the tracks again and again, and hands a new policy over when it is fit to decide.

    Only the policy is followed: while the track names another bundle, nothing changes, because the
    policy beside it was made for that bundle. Whatever fails, the policy that decided last goes on.
    No request ever waits for a look: the object store is asked in a thread of the follower's own.
    """

    def __init__(
        self,
        store: ObjectStore,
        place: Place,
        policy: str,
        *,
        fields: Collection[str],
        adopt: Adopt,
        seconds: float,
        cache: BundleCache | None = None,
    ) -> None:
        """Keep the settings.

        Args:
            store: holds tracks and policies.
            place: whose policy is followed.
            policy: digest of the policy that decides now.
            fields: names of the values that rules may read.
            adopt: gets each new policy; not awaited, so that no request sees half of a change.
            seconds: between two looks.
            cache: where what was found is kept, so that a server which starts while the object
                store is gone decides by the policy that was followed last.
        """
        settings = store.settings
        quick = {
            "attempts": 1,
            "connect_timeout_s": min(settings.connect_timeout_s, LONGEST_ANSWER_S),
            "read_timeout_s": min(settings.read_timeout_s, LONGEST_ANSWER_S),
        }
        self._store = ObjectStore(settings.model_copy(update=quick))
        self._cache = cache
        self.looked = asyncio.Event()
        """Set after the first look, whatever came of it."""
        self._read_once = False
        self._place, self._fields, self._adopt, self._seconds = place, fields, adopt, seconds
        self.policy = policy
        self._trouble: str | None = None

    async def run(self) -> None:
        """Look at once, and again every few seconds, until cancelled."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="policy")
        try:
            while True:
                await self._look(thread)
                self.looked.set()
                await asyncio.sleep(self._seconds)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    async def _look(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(thread, self._changed)
        except Exception as error:  # noqa: BLE001 (whatever it is, the next look must come)
            self._failed(error)
            return
        if self._trouble is not None:
            _log.info("policy followed again")
            self._trouble = None
        if found is None:
            return
        policy, digest = found
        self._adopt(policy, digest)
        _log.info("policy changed", before=self.policy, policy=digest)
        self.policy = digest

    def _changed(self) -> tuple[Policy, str] | None:
        """Return the policy that shall decide from now on; None where it is the one that does.

        Raises:
            CardfraudError: what the tracks name cannot be read, or not be applied here.
        """
        try:
            tracks = self._tracks()
        except NotFound:
            return None  # nothing was deployed: this server was started by hand
        own = tracks.tracks.get(self._place.track)
        if own is None or own.bundle != self._place.bundle or own.policy == self.policy:
            return None
        policy, _ = cached_policy(self._store, self._place.model, own.policy, self._cache)
        check_rules(policy, self._fields)
        if self._cache is not None:  # so that a restart finds what decides now
            cached_tracks(self._store, self._place.model, self._cache)
        return policy, own.policy

    def _tracks(self) -> Tracks:
        """Read the tracks: at the first look from the cache, too, later from the store alone.

        A store that goes away later changes nothing, and each look that fails is counted.
        """
        if self._read_once or self._cache is None:
            return read_tracks(self._store, self._place.model).tracks
        tracks, _ = cached_tracks(self._store, self._place.model, self._cache)
        self._read_once = True
        return tracks

    def _failed(self, error: Exception) -> None:
        metrics.POLICY_REFRESH_ERRORS.labels(type(error).__name__).inc()
        trouble = str(error) if isinstance(error, CardfraudError) else repr(error)[:200]
        if trouble != self._trouble:
            _log.warning("policy not followed", deciding=self.policy, reason=trouble)
            self._trouble = trouble
