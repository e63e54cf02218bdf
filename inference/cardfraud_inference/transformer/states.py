"""State of users and merchants from the feature store, within a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from cardfraud.adapters.feature_store import FeatureStore, OnlineRow
from cardfraud.contracts.scoring import MAX_INSTANCES
from cardfraud.contracts.transactions import Transaction
from cardfraud.errors import CardfraudError, IntegrityError
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transformer.batching import MicroBatcher
from cardfraud_inference.transformer.predictor_client import within

_log = structlog.stdlib.get_logger(__name__)

UNDER_WAY: Final = 4
"""Reads at the same time, before further ones are joined; as many connections are kept."""

Pair = tuple[str, str]


class StateReader:
    """Reads states; a read that fails or comes too late is counted and gives none."""

    def __init__(self, store: FeatureStore, timeout_s: float, *, micro_batch: bool) -> None:
        """Take the store; ``timeout_s`` is for one read, see :func:`within`."""
        self._store = store
        self._timeout_s = timeout_s
        under_way = UNDER_WAY if micro_batch else MAX_INSTANCES
        self._read: MicroBatcher[Pair, OnlineRow] = MicroBatcher(
            self._together, under_way=under_way, most=MAX_INSTANCES
        )

    async def read(self, transactions: Sequence[Transaction]) -> list[OnlineRow] | None:
        """Return the state of each transaction; None when the store did not answer in time."""
        pairs = [(one.user_id, one.merchant_id) for one in transactions]
        try:
            async with asyncio.timeout(within(self._timeout_s, len(pairs))):
                return await self._read(pairs)
        except TimeoutError:
            kind = "timeout"
        except CardfraudError as error:
            kind = type(error).__name__
        metrics.FEATURE_STORE_ERRORS.labels(kind).inc()
        _log.warning("feature store failed", kind=kind)
        return None

    async def close(self) -> None:
        """End the reads and close the connections."""
        await self._read.close()
        await self._store.close_async()

    async def _together(self, pairs: Sequence[Pair]) -> Sequence[OnlineRow | CardfraudError]:
        # A batch may not outlive its callers, or a store that hangs would hold its place for good.
        async with asyncio.timeout(within(self._timeout_s, len(pairs))):
            try:
                return await self._store.read_online_async(*zip(*pairs, strict=True))
            except IntegrityError:
                # One damaged state must not take the others along.
                return [await self._alone(pair) for pair in pairs]

    async def _alone(self, pair: Pair) -> OnlineRow | CardfraudError:
        user, merchant = pair
        try:
            (row,) = await self._store.read_online_async([user], [merchant])
        except IntegrityError as error:
            return error
        return row
