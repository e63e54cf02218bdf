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
from cardfraud_inference.transformer.deadlines import within

_log = structlog.stdlib.get_logger(__name__)

UNDER_WAY: Final = 4
"""Reads at the same time, before further ones are joined."""

Pair = tuple[str, str]


class StateReader:
    """Reads states; a read that fails or comes too late is counted and gives none."""

    def __init__(self, store: FeatureStore, timeout_s: float, *, micro_batch: bool) -> None:
        """Take the store; ``timeout_s`` is for one read, see :func:`within`."""
        self._store = store
        self._timeout_s = timeout_s
        self._batcher: MicroBatcher[Pair, OnlineRow] | None = (
            MicroBatcher(self._together, under_way=UNDER_WAY, most=MAX_INSTANCES)
            if micro_batch
            else None
        )

    async def read(self, transactions: Sequence[Transaction]) -> list[OnlineRow] | None:
        """Return the state of each transaction; None when the store did not answer in time."""
        pairs = [(one.user_id, one.merchant_id) for one in transactions]
        try:
            async with asyncio.timeout(within(self._timeout_s, len(pairs))):
                rows = await self._rows(pairs)
                if not await self._store.has_lost(rows):
                    return rows
                kind = "emptied"
        except TimeoutError:
            kind = "timeout"
        except CardfraudError as error:
            kind = type(error).__name__
        metrics.FEATURE_STORE_ERRORS.labels(kind).inc()
        _log.warning("feature store failed", kind=kind)
        return None

    async def _rows(self, pairs: Sequence[Pair]) -> list[OnlineRow]:
        if self._batcher is not None:
            return await self._batcher(pairs)
        return await self._store.read_online_async(*zip(*pairs, strict=True))

    async def close(self) -> None:
        """End the reads and close the connections."""
        if self._batcher is not None:
            await self._batcher.close()
        await self._store.close_async()

    async def _together(self, pairs: Sequence[Pair]) -> Sequence[OnlineRow | IntegrityError]:
        # It has no deadline of its own: every caller has one, and a batch ends with the last of
        # them. And one damaged state must not take the others along.
        return await self._store.read_online_each(*zip(*pairs, strict=True))
