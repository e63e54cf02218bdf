"""What became of each row of the prediction log, in a file that outlives the process.

The counters lie in a page that is mapped into memory: a store costs a fraction of a microsecond,
and the kernel keeps the page when the process is killed. Whoever starts next on the same file
reads what its predecessor had not written, and counts it as lost.

Each counter is one aligned 8-byte word, which a killed process has either stored or not. After a
power failure the page may be older than the log; then more counts as lost than is.

::

    word   0        magic
    word   1        state: 0 while the words below are being set, 1 afterwards
    words  2 - 3    writer (16 bytes)
    words  4 - 11   name of the model, padded with zeros
    word  12        CRC-32 of words 2 to 11
    words 13 - 15   rows offered, written, dropped
    words 16 - 20   the file in hand: its writer (2), its day, its number, its rows (0: none)
    word  21        rows written before it
"""

from __future__ import annotations

import fcntl
import mmap
import os
import zlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from cardfraud.errors import InvalidSetting

SIZE: Final = mmap.PAGESIZE
MAGIC: Final = int.from_bytes(b"CFPLJRN1", "little")
_STATE, _WRITER, _MODEL, _CHECKSUM = 1, 2, 4, 12
_OFFERED, _WRITTEN, _DROPPED = 13, 14, 15
_HELD_WRITER, _HELD_DAY, _HELD_NUMBER, _HELD_ROWS, _HELD_AFTER = 16, 18, 19, 20, 21


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file of which nobody knows yet whether it was written."""

    writer: str
    day: date
    number: int
    rows: int


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What a process left that used the journal before.

    Attributes:
        writer: its name.
        lost: rows that it can not have written.
        held: the file that it was writing; its rows are not among ``lost``.
    """

    writer: str
    lost: int
    held: HeldFile | None


class Journal:
    """Counters of one writer. One thread at a time may change them.

    Attributes:
        offered: rows that came.
        written: rows of files that are written.
        dropped: rows that were given up.
        held: rows of this writer's file in hand.
        predecessor: what is known of the process that used the file before; None of the first one.
        damaged: whether the file held something that cannot be; then nothing is known of it.
    """

    def __init__(self, writer: str, model: str, page: bytearray | mmap.mmap | None = None) -> None:
        """Begin to count on a page, or in memory alone where there is none.

        Args:
            writer: 32 hexadecimal digits.
            model: name of the model.
            page: ``SIZE`` bytes, all zero or those of an earlier journal of this model.

        Raises:
            InvalidSetting: the page is that of another model, or no journal.
        """
        self._page = bytearray(SIZE) if page is None else page
        self._words = memoryview(self._page).cast("Q")
        self._lock: int | None = None
        self.offered = self.written = self.dropped = self.held = 0
        self.damaged = False
        try:
            self.predecessor: Final = self._read(model)
        except InvalidSetting:
            self._words.release()
            raise
        self._begin(writer, model)

    @classmethod
    def open(cls, path: Path, writer: str, model: str) -> Journal | None:
        """Begin to count in a file; None where another process counts in it.

        Raises:
            InvalidSetting: the file can not be written, is no journal, or is that of another model.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError as error:
            raise InvalidSetting("prediction_log_journal", f"{path}: {error.strerror}") from error
        try:
            journal = cls(writer, model, _page(file))
        except BaseException:
            os.close(file)
            raise
        journal._lock = file
        return journal

    @property
    def durable(self) -> bool:
        """Whether the counters outlive the process."""
        return self._lock is not None

    def offer(self, rows: int) -> None:
        """Rows came, whether there is room for them or not."""
        self.offered += rows
        self._words[_OFFERED] = self.offered

    def drop(self, rows: int) -> None:
        """Rows are given up."""
        self.dropped += rows
        self._words[_DROPPED] = self.dropped

    def hold(self, file: HeldFile) -> None:
        """A file of this writer is about to be written."""
        self.held = file.rows
        self._words[_HELD_ROWS] = 0
        self._set_held(file)

    def wrote(self) -> None:
        """The file in hand is written."""
        # The first store is what counts: a held file with rows written after it is settled.
        self.written += self.held
        self._words[_WRITTEN] = self.written
        self.release()

    def release(self) -> None:
        """No file is in hand any more, this writer's or its predecessor's."""
        self.held = 0
        self._words[_HELD_ROWS] = 0

    def close(self) -> None:
        """Let go of the file; nothing may be counted afterwards."""
        self._words.release()
        if isinstance(self._page, mmap.mmap):
            self._page.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _read(self, model: str) -> Predecessor | None:
        words = self._words
        if not any(words[:_HELD_AFTER]):
            return None
        if words[0] != MAGIC:
            raise InvalidSetting("prediction_log_journal", "the file is no journal")
        try:
            held = self._held()
        except (OverflowError, ValueError):  # of a day that is none
            return self._damaged()
        if not words[_STATE]:  # what was lost before was told before the state was cleared
            return None if held is None else Predecessor(held.writer, 0, held)
        if words[_CHECKSUM] != self._checksum():
            return self._damaged()
        owner = _text(words, _MODEL, 64)
        if owner != model:
            raise InvalidSetting("prediction_log_journal", f"the file is that of model {owner!r}")
        writer = _hex(words, _WRITER)
        lost = words[_OFFERED] - words[_WRITTEN] - words[_DROPPED]
        if held is not None and held.writer == writer:
            if words[_HELD_AFTER] == words[_WRITTEN]:
                lost -= held.rows
            else:  # it was killed between the two stores of wrote()
                self.release()
                held = None
        return Predecessor(writer, lost, held) if lost >= 0 else self._damaged()

    def _damaged(self) -> Predecessor | None:
        self.damaged = True
        self.release()
        return None

    def _begin(self, writer: str, model: str) -> None:
        words = self._words
        words[0] = MAGIC
        words[_STATE] = 0
        _store(words, _WRITER, bytes.fromhex(writer))
        _store(words, _MODEL, model.encode().ljust(64, b"\0"))
        words[_CHECKSUM] = self._checksum()
        for counter in (_OFFERED, _WRITTEN, _DROPPED):
            words[counter] = 0
        words[_STATE] = 1

    def _checksum(self) -> int:
        return zlib.crc32(self._words[_WRITER:_CHECKSUM].tobytes())

    def _held(self) -> HeldFile | None:
        words = self._words
        if not words[_HELD_ROWS]:
            return None
        day = date.fromordinal(words[_HELD_DAY])
        writer = _hex(words, _HELD_WRITER)
        return HeldFile(writer, day, words[_HELD_NUMBER], words[_HELD_ROWS])

    def _set_held(self, file: HeldFile) -> None:
        words = self._words
        _store(words, _HELD_WRITER, bytes.fromhex(file.writer))
        words[_HELD_DAY], words[_HELD_NUMBER] = file.day.toordinal(), file.number
        words[_HELD_AFTER] = self.written
        words[_HELD_ROWS] = file.rows


def _page(file: int) -> mmap.mmap:
    if os.fstat(file).st_size not in {0, SIZE}:
        raise InvalidSetting("prediction_log_journal", "the file is no journal")
    # Without its blocks on the disk a store into the page could end the process.
    os.posix_fallocate(file, 0, SIZE)
    return mmap.mmap(file, SIZE)


def _store(words: memoryview, start: int, content: bytes) -> None:
    for place, word in enumerate(memoryview(content).cast("Q")):
        words[start + place] = word


def _text(words: memoryview, start: int, size: int) -> str:
    content = words[start : start + size // 8].tobytes()
    return content.rstrip(b"\0").decode("ascii", "replace")


def _hex(words: memoryview, start: int) -> str:
    return words[start : start + 2].tobytes().hex()
