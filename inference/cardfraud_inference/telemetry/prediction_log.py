"""The prediction log: every decision, appended to the object store, never in an answer's way.

Requests put rows into a bounded queue; one thread writes them as Parquet. When the object store
does not answer, the thread tries again and again while the queue holds; what does not fit is
dropped and counted. Each process writes under a name of its own, so that no two ever meet.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, Protocol

import structlog

from cardfraud.contracts import keys
from cardfraud.contracts.telemetry import PredictionRecord
from cardfraud.errors import CardfraudError
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.telemetry.prediction_table import day_served, encode

_log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0


class Destination(Protocol):
    """Where files go, such as an object store."""

    def put(self, key: str, content: bytes) -> str:
        """Write an object."""


class PredictionLog:
    """A bounded queue of rows and the thread that writes them."""

    def __init__(
        self,
        store: Destination,
        model: str,
        *,
        rows: int,
        seconds: float,
        capacity: int,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """Start the thread.

        Args:
            store: where the files go.
            model: name of the model, a part of each key.
            rows: a file is written when so many rows wait.
            seconds: or when the oldest one waits so long.
            capacity: rows that may wait, those of the file in hand included.
            first_pause_s: after a failed write; each further pause is twice as long, up to
                ``LONGEST_PAUSE_S``.
        """
        self.writer = uuid.uuid4().hex
        self._store, self._model = store, model
        self._rows, self._seconds, self._capacity = rows, seconds, capacity
        self._waiting: deque[PredictionRecord] = deque()
        self._first_pause_s = first_pause_s
        self._unwritten = 0
        self._sequence = 0
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(self, records: Sequence[PredictionRecord]) -> None:
        """Queue rows; what does not fit is dropped and counted. Never waits for the store."""
        with self._changed:
            free = self._capacity - self._unwritten
            accepted = records[: max(free, 0)]
            self._waiting.extend(accepted)
            self._unwritten += len(accepted)
            metrics.PREDICTION_LOG_WAITING.set(self._unwritten)
            if len(self._waiting) >= self._rows:
                self._changed.notify()
        metrics.PREDICTION_LOG_ROWS.labels("queued").inc(len(accepted))
        self._drop(len(records) - len(accepted))

    def close(self, within: float) -> None:
        """Write what waits, for at most ``within`` seconds; drop and count the rest."""
        with self._changed:
            self._deadline = time.monotonic() + within
            self._changed.notify()
        self._thread.join(within + 1.0)
        with self._changed:
            left, self._unwritten = self._unwritten, 0
            metrics.PREDICTION_LOG_WAITING.set(0)
        self._drop(left)
        _log.info("prediction log closed", files=self._sequence, dropped=left)

    def _run(self) -> None:
        while batch := self._next_batch():
            left = len(batch)
            try:
                for key, content, rows in self._files(batch):
                    if not self._write(key, content):
                        return
                    metrics.PREDICTION_LOG_ROWS.labels("written").inc(rows)
                    self._settle(rows)
                    left -= rows
            except Exception:  # noqa: BLE001 (a wrong row must not end the log of all others)
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.exception("prediction log rows cannot be written as a file", rows=left)
                self._settle(left)
                self._drop(left)

    def _settle(self, rows: int) -> None:
        """Rows are written or given up; there is room for others."""
        with self._changed:
            self._unwritten -= rows
            metrics.PREDICTION_LOG_WAITING.set(self._unwritten)

    def _next_batch(self) -> list[PredictionRecord]:
        """Wait for a full file, for time to pass, or for the end; empty at the end."""
        with self._changed:
            while self._deadline is None:
                if len(self._waiting) >= self._rows:
                    break
                timed_out = not self._changed.wait(self._seconds)
                if timed_out and self._waiting:
                    break
            return [self._waiting.popleft() for _ in range(min(self._rows, len(self._waiting)))]

    def _files(self, batch: list[PredictionRecord]) -> Iterator[tuple[str, bytes, int]]:
        for day, group in groupby(sorted(batch, key=day_served), key=day_served):
            records = list(group)
            key = keys.predictions(self._model, day, self.writer, self._sequence)
            self._sequence += 1
            yield key, encode(records), len(records)

    def _write(self, key: str, content: bytes) -> bool:
        """Write one file, trying again until it is written or the deadline has passed."""
        pause = self._first_pause_s
        while True:
            try:
                self._store.put(key, content)
            except CardfraudError as error:
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.warning("prediction log not written", key=key, error=str(error))
            except Exception:  # noqa: BLE001 (whatever a client raises, the rows are still good)
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.exception("prediction log not written", key=key)
            else:
                return True
            if not self._rest(pause):
                return False
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _rest(self, seconds: float) -> bool:
        """Wait, also while rows come, but only until the log is closed; False past the deadline."""
        with self._changed:
            deadline = self._deadline
            left = seconds if deadline is None else deadline - time.monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self._deadline != deadline, min(seconds, left))
            return left > 0

    @staticmethod
    def _drop(rows: int) -> None:
        if rows:
            metrics.PREDICTION_LOG_ROWS.labels("dropped").inc(rows)
