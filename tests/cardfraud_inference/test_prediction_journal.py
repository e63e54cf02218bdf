import contextlib
import mmap
import multiprocessing
import os
import uuid
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cardfraud.errors import InvalidSetting
from cardfraud_inference.telemetry import prediction_journal
from cardfraud_inference.telemetry.prediction_journal import SIZE, HeldFile, Journal, Predecessor

DAY = date(2026, 3, 2)
A, B, C = (uuid.UUID(int=number << 64 | number).hex for number in (1, 2, 3))


def successor(page: bytearray) -> Predecessor | None:
    """What the next process reads from the page."""
    return Journal(C, "fraud", bytearray(page)).predecessor


def test_the_next_process_learns_what_was_not_written(tmp_path: Path) -> None:
    """Rows that came, less those written and dropped, are lost, and counted once."""
    path = tmp_path / "journal"
    first = Journal.open(path, A, "fraud")
    assert first is not None
    assert first.predecessor is None
    first.offer(10)
    first.drop(2)
    first.hold(HeldFile(A, DAY, 0, 3))
    first.wrote()
    first.close()
    second = Journal.open(path, B, "fraud")
    assert second is not None
    assert second.predecessor == Predecessor(A, 5, None)
    second.close()
    third = Journal.open(path, C, "fraud")
    assert third is not None
    assert third.predecessor == Predecessor(B, 0, None)
    third.close()


def test_a_file_in_hand_is_told_apart_from_what_is_lost() -> None:
    """Nobody knows whether it was written: its writer, day, number and rows are handed on."""
    page = bytearray(SIZE)
    journal = Journal(A, "fraud", page)
    journal.offer(10)
    held = HeldFile(A, DAY, 7, 4)
    journal.hold(held)
    assert successor(page) == Predecessor(A, 6, held)


def test_a_file_in_hand_is_handed_on_until_somebody_finds_out() -> None:
    """A second process that is killed before it knows leaves the question to the third."""
    page = bytearray(SIZE)
    journal = Journal(A, "fraud", page)
    held = HeldFile(A, DAY, 7, 4)
    journal.offer(4)
    journal.hold(held)
    again = Journal(B, "fraud", page)
    again.offer(2)
    assert successor(page) == Predecessor(B, 2, held)
    again.release()
    assert successor(page) == Predecessor(B, 2, None)


class _Killed(Exception):
    pass


class _Words:
    """A page's words, of which a killed process stores only the first few."""

    def __init__(self, words: memoryview, stores: int) -> None:
        self.words, self.stores = words, stores

    def __getitem__(self, place: int | slice) -> int | memoryview:
        return self.words[place]

    def __setitem__(self, place: int, value: int) -> None:
        if not self.stores:
            raise _Killed
        self.stores -= 1
        self.words[place] = value

    def release(self) -> None:
        """As a memoryview's."""


State = tuple[int, int, int, int]
"""Rows offered, dropped, written and in hand."""


def carry_out(journal: Journal, steps: list[str]) -> tuple[State, State]:
    """Count as told, until the process is killed; what was counted before and after that step."""
    before = after = (0, 0, 0, 0)
    for number, step in enumerate(steps):
        before = after
        offered, dropped, written, held = before
        free = offered - dropped - written - held
        try:
            if step == "offer":
                after = (offered + 5, dropped, written, held)
                journal.offer(5)
            elif step == "drop" and free >= 1:
                after = (offered, dropped + 1, written, held)
                journal.drop(1)
            elif step == "hold" and not held and free >= 2:
                after = (offered, dropped, written, 2)
                journal.hold(HeldFile(A, DAY, number, 2))
            elif step == "wrote" and held:
                after = (offered, dropped, written + held, 0)
                journal.wrote()
        except _Killed:
            return before, after
    return after, after


@given(st.lists(st.sampled_from(["offer", "drop", "hold", "wrote"]), max_size=12))
@example(["offer", "hold", "drop", "wrote", "hold", "wrote", "offer", "hold"])
def test_no_kill_between_two_stores_makes_a_row_vanish(steps: list[str]) -> None:
    """Wherever it ends, all but its last step is known, and no row counts twice."""
    for stores in count():
        page = bytearray(SIZE)
        journal = Journal(A, "fraud", page)
        words = _Words(journal._words, stores)
        journal._words = words  # type: ignore[assignment]
        states = carry_out(journal, steps)
        found = successor(page)
        assert found is not None
        rows = 0 if found.held is None else found.held.rows
        assert (found.lost, rows) in [
            (offered - dropped - written - held, held) for offered, dropped, written, held in states
        ]
        if words.stores:
            break


def test_no_kill_at_the_start_forgets_a_file_in_hand() -> None:
    """While the second process begins to count, the first one's question stays on the page."""
    held = HeldFile(A, DAY, 7, 4)
    for stores in count():
        page = bytearray(SIZE)
        journal = Journal(A, "fraud", page)
        journal.offer(4)
        journal.hold(held)
        second = Journal(B, "fraud", bytearray(page))
        words = _Words(memoryview(page).cast("Q"), stores)
        second._words = words  # type: ignore[assignment]
        with contextlib.suppress(_Killed):
            second._begin(B, "fraud")
        found = successor(page)
        assert found is not None
        assert (found.lost, found.held) == (0, held)
        if words.stores:
            break


def test_two_processes_never_count_in_one_file(tmp_path: Path) -> None:
    """The second one goes without, until the first one has ended."""
    path = tmp_path / "journal"
    first = Journal.open(path, A, "fraud")
    assert first is not None
    assert Journal.open(path, B, "fraud") is None
    first.close()
    second = Journal.open(path, B, "fraud")
    assert second is not None
    second.close()


def _count_and_die(path: Path) -> None:
    journal = Journal.open(path, A, "fraud")
    assert journal is not None
    journal.offer(12)
    os.kill(os.getpid(), 9)


def test_the_counters_outlive_a_process_that_is_killed(tmp_path: Path) -> None:
    """A real process, killed without warning, leaves what it counted, and lets go of the file."""
    path = tmp_path / "journal"
    process = multiprocessing.get_context("spawn").Process(target=_count_and_die, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    journal = Journal.open(path, B, "fraud")
    assert journal is not None
    assert journal.predecessor == Predecessor(A, 12, None)
    journal.close()


def test_a_damaged_journal_is_told(tmp_path: Path) -> None:
    """Counters that cannot be, or a header that does not match, mean that nothing is known."""
    path = tmp_path / "journal"
    for place in (prediction_journal._WRITTEN, prediction_journal._WRITER):
        first = Journal.open(path, A, "fraud")
        assert first is not None
        first.offer(5)
        first._words[place] = 77
        first.close()
        second = Journal.open(path, B, "fraud")
        assert second is not None
        assert second.damaged
        assert second.predecessor is None
        second.close()
        path.unlink()


def test_a_day_that_is_none_is_damage() -> None:
    """Whatever stands where the day of a file should, a server starts."""
    page = bytearray(SIZE)
    journal = Journal(A, "fraud", page)
    journal.offer(4)
    journal.hold(HeldFile(A, DAY, 7, 4))
    journal._words[prediction_journal._HELD_DAY] = 1 << 63
    again = Journal(B, "fraud", page)
    assert again.damaged
    assert again.held == 0


@pytest.mark.parametrize("content", [b"my notes", b"x" * SIZE], ids=["short", "as long"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """A path that was mistaken for another does not cost somebody a file."""
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(InvalidSetting, match="no journal"):
        Journal.open(path, A, "fraud")
    assert path.read_bytes() == content


def test_a_journal_of_another_model_is_left_alone(tmp_path: Path) -> None:
    """Two models on one path would each take the other's rows for lost."""
    path = tmp_path / "journal"
    first = Journal.open(path, A, "fraud")
    assert first is not None
    first.close()
    with pytest.raises(InvalidSetting, match="model 'fraud'"):
        Journal.open(path, B, "other")


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """It is told at the start, not when a process has been killed."""
    with pytest.raises(InvalidSetting, match="prediction_log_journal"):
        Journal.open(tmp_path / "absent" / "journal", A, "fraud")


def test_the_file_has_its_blocks(tmp_path: Path) -> None:
    """A sparse file on a full disk would end the process at its first count."""
    with (tmp_path / "journal").open("w+b") as file:
        page = prediction_journal._page(file.fileno())
        assert os.fstat(file.fileno()).st_blocks * 512 >= mmap.PAGESIZE
        page.close()
