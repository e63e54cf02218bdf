"""The prediction log: every decision, appended to the object store, never in an answer's way.

Requests put their decisions into a bounded queue, packed as bytes; one thread encodes and writes
them as Parquet. When the object store does not answer, the thread tries again and again while the
queue holds; what does not fit is dropped and counted. Each process writes under a name of its own,
so that no two ever meet, and counts in a journal, so that the next one can tell what was lost when
it was killed.

A file is written only where none is yet. So a process that comes after a killed one can put an
empty file in the place of the one that was being written: either the rows are there already, or
they will never come, however late the killed process's request reaches the store.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from enum import Enum, auto
from pathlib import Path
from typing import Final, Protocol

import structlog

from cardfraud.contracts import keys
from cardfraud.contracts.telemetry import Pseudonyms, ServedDecisions
from cardfraud.errors import CardfraudError, Conflict
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.telemetry.packed_decisions import PackedDecisions, pack
from cardfraud_inference.telemetry.prediction_journal import HeldFile, Journal
from cardfraud_inference.telemetry.prediction_table import (
    day_number,
    day_served,
    encode,
    has_rows,
)

_log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
_REST_S: Final = 0.005
"""Between the rows that are encoded at a time, so that what waits for an answer goes first."""

# Looked up once: a look-up by label costs more than the rest of queueing a decision.
_QUEUED: Final = metrics.PREDICTION_LOG_ROWS.labels("queued")
_WRITTEN: Final = metrics.PREDICTION_LOG_ROWS.labels("written")
_DROPPED: Final = metrics.PREDICTION_LOG_ROWS.labels("dropped")
_LOST: Final = metrics.PREDICTION_LOG_ROWS.labels("lost")


class Destination(Protocol):
    """Where files go, such as an object store."""

    def put_if_absent(self, key: str, content: bytes) -> str:
        """Write an object; raise :class:`~cardfraud.errors.Conflict` where there is one."""

    def get(self, key: str) -> bytes:
        """Read an object; raise :class:`~cardfraud.errors.NotFound` where there is none."""


class _Outcome(Enum):
    WRITTEN = auto()
    THERE = auto()
    """An object with rows was there already: an earlier try wrote it, and its answer was lost."""
    EMPTY = auto()
    """An object without rows was."""
    GIVEN_UP = auto()


class PredictionLog:
    """A bounded queue of decisions and the thread that writes them.

    A request calls :meth:`add` once, with all of its decisions::

        versions = ServedVersions(track, bundle, policy, feature_set, rule_fields)  # once
        log.add(
            ServedDecisions(
                versions, request_id, served_at_us, latency_ms,
                ids, event_times_us, vector, scores, decisions, degraded, ages, rule_values,
            )
        )

    That costs some 6 us a decision. What is handed over is copied, and identifiers are hashed: the
    queue, which lasts as long as the store is away, knows nobody.
    """

    def __init__(
        self,
        store: Destination,
        model: str,
        *,
        key: bytes,
        rows: int,
        seconds: float,
        capacity: int,
        journal: Path | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """Start the thread.

        Args:
            store: where the files go.
            model: name of the model, a part of each key.
            key: of the hashes that stand for ids.
            rows: a file is written when so many rows wait.
            seconds: or when the oldest one waits so long.
            capacity: rows that may wait, those of the file in hand included.
            journal: file that counts what a killed process loses; on a disk that outlives the
                process, used by one process at a time. None counts in memory.
            first_pause_s: after a failed write; each further pause is twice as long, up to
                ``LONGEST_PAUSE_S``.

        Raises:
            InvalidSetting: the journal can not be used.
        """
        self.writer = uuid.uuid4().hex
        self._store, self._model, self._pseudonyms = store, model, Pseudonyms(key)
        self._rows, self._seconds, self._capacity = rows, seconds, capacity
        self._first_pause_s = first_pause_s
        self._journal = _open_journal(journal, self.writer, model)
        self._waiting: deque[PackedDecisions] = deque()
        self._waiting_rows = 0
        self._enough = rows  # rows in the queue that are worth waking the thread for
        self._unwritten = 0  # rows in the queue or in the thread's hands
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._abandoned = False
        # From here on it is the thread's.
        self._taken: deque[PackedDecisions] = deque()
        self._taken_rows = 0
        self._sequence = 0
        metrics.PREDICTION_LOG_WAITING.set_function(lambda: self._unwritten)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(self, decisions: ServedDecisions) -> None:
        """Queue the decisions of a request; what does not fit is dropped and counted.

        So are decisions that no file can hold. Never waits for the store, and never raises.
        """
        rows = len(decisions)
        try:
            packed = pack(decisions, self._pseudonyms)
        except Exception:  # noqa: BLE001 (whatever is wrong with them, they have been answered)
            metrics.PREDICTION_LOG_ERRORS.inc()
            _log.exception("decisions cannot be written to the prediction log")
            packed = None
        with self._changed:
            self._journal.offer(rows)
            free = 0 if packed is None else self._capacity - self._unwritten
            if rows > free:
                self._drop(rows - free)
            if packed is None or not free:
                return
            if rows > free:
                packed, rows = packed.first(free), free
            self._waiting.append(packed)
            self._waiting_rows += rows
            self._unwritten += rows
            if self._waiting_rows >= self._enough:
                self._changed.notify()
        _QUEUED.inc(rows)

    def close(self, within: float) -> None:
        """Write what waits, for at most ``within`` seconds; drop and count the rest.

        Of a file that is under way at the end nobody knows. With a journal, the next process that
        uses it finds out; without one its rows count as dropped. What is added later is dropped.
        """
        with self._changed:
            self._deadline = time.monotonic() + within
            self._changed.notify()
        self._thread.join(within + 1.0)
        with self._changed:
            self._abandoned = True
            left, self._capacity, self._unwritten = self._unwritten, 0, 0
            if self._journal.durable:
                left -= self._journal.held
            self._drop(left)
            if not self._thread.is_alive():
                self._journal.close()
                self._journal = Journal(self.writer, self._model)
        _log.info("prediction log closed", files=self._sequence, dropped=left)

    def _run(self) -> None:
        if not self._settle_predecessor():
            return
        while blocks := self._next_blocks():
            try:
                content = encode(blocks, self._let_others_work)
            except Exception:  # noqa: BLE001 (these rows must not end the log of all others)
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.exception("prediction log rows cannot be written as a file")
                self._give_up(sum(map(len, blocks)))
                continue
            if not self._write(blocks, content):
                return

    def _settle_predecessor(self) -> bool:
        """Find out about the file that a killed process was writing; False when given up."""
        before = self._journal.predecessor
        if before is None or before.held is None:
            return True
        outcome = self._put(before.held, encode([]))
        if outcome is _Outcome.GIVEN_UP:
            return False
        if outcome is not _Outcome.THERE:
            _count_lost(before.writer, before.held.rows)
        with self._changed:
            self._journal.release()
        return True

    def _let_others_work(self) -> None:
        """Rest, unless the next file is full already or the log is being closed."""
        if self._waiting_rows < self._rows and self._deadline is None:
            time.sleep(_REST_S)

    def _next_blocks(self) -> list[PackedDecisions]:
        """Wait for a full file, for time to pass, or for the end; empty at the end."""
        due = time.monotonic() + self._seconds
        with self._changed:
            while True:
                self._taken.extend(self._waiting)
                self._waiting.clear()
                self._taken_rows += self._waiting_rows
                self._waiting_rows = 0
                if self._deadline is not None or self._taken_rows >= self._rows:
                    break
                left = due - time.monotonic()
                if left <= 0:
                    if self._taken:
                        break
                    left = self._seconds
                    due += left
                self._enough = self._rows - self._taken_rows
                self._changed.wait(left)
        blocks: list[PackedDecisions] = []
        rows = 0
        while self._taken and rows < self._rows:
            block = self._taken[0]
            if blocks and day_number(block.served_at_us) != day_number(blocks[0].served_at_us):
                break
            blocks.append(self._taken.popleft())
            rows += len(block)
        self._taken_rows -= rows
        return blocks

    def _write(self, blocks: list[PackedDecisions], content: bytes) -> bool:
        """Write one file; False when it is time to end."""
        rows = sum(map(len, blocks))
        file = HeldFile(self.writer, day_served(blocks[0].served_at_us), self._sequence, rows)
        with self._changed:
            if self._abandoned:
                return False
            self._journal.hold(file)
        self._sequence += 1
        if self._put(file, content) is _Outcome.GIVEN_UP:
            return False
        with self._changed:
            if self._abandoned:
                if self._journal.durable:  # else it has been counted as dropped
                    self._journal.wrote()
                return False
            self._journal.wrote()
            self._unwritten -= rows
        _WRITTEN.inc(rows)
        return True

    def _put(self, file: HeldFile, content: bytes) -> _Outcome:
        """Write one file, trying again until it is there or the deadline has passed."""
        key = keys.predictions(self._model, file.day, file.writer, file.number)
        pause = self._first_pause_s
        while True:
            try:
                return self._put_once(key, content)
            except CardfraudError as error:
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.warning("prediction log not written", key=key, error=str(error))
            except Exception:  # noqa: BLE001 (whatever a client raises, the rows are still good)
                metrics.PREDICTION_LOG_ERRORS.inc()
                _log.exception("prediction log not written", key=key)
            if not self._rest(pause):
                return _Outcome.GIVEN_UP
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _put_once(self, key: str, content: bytes) -> _Outcome:
        try:
            self._store.put_if_absent(key, content)
        except Conflict:
            there = self._store.get(key)  # a conflict with something that failed is none
            return _Outcome.THERE if has_rows(there) else _Outcome.EMPTY
        return _Outcome.WRITTEN

    def _rest(self, seconds: float) -> bool:
        """Wait, also while rows come, but only until the log is closed; False past the deadline."""
        with self._changed:
            deadline = self._deadline
            left = seconds if deadline is None else deadline - time.monotonic()
            if left > 0:
                self._changed.wait_for(lambda: self._deadline != deadline, min(seconds, left))
            return left > 0

    def _give_up(self, rows: int) -> None:
        """Drop rows that were taken from the queue."""
        with self._changed:
            if not self._abandoned:  # else they have been counted
                self._unwritten -= rows
                self._drop(rows)

    def _drop(self, rows: int) -> None:
        """Count rows that are given up; the lock is held."""
        if rows:
            self._journal.drop(rows)
            _DROPPED.inc(rows)


def _open_journal(path: Path | None, writer: str, model: str) -> Journal:
    """Return a journal, and tell what its predecessor lost."""
    journal = None if path is None else Journal.open(path, writer, model)
    if journal is None:
        if path is not None:
            _log.error("prediction log journal in use by another process; going on without one")
        return Journal(writer, model)
    if journal.damaged:
        metrics.PREDICTION_LOG_ERRORS.inc()
        _log.error("prediction log journal damaged; nobody knows what was lost")
    if journal.predecessor is not None:
        _count_lost(journal.predecessor.writer, journal.predecessor.lost)
    return journal


def _count_lost(writer: str, rows: int) -> None:
    if rows:
        _LOST.inc(rows)
        _log.error("prediction log rows lost: their process was killed", writer=writer, rows=rows)
