"""What a process finds in the journal of one that was killed, or had to end in the middle."""

from datetime import date
from pathlib import Path

import pytest

from cardfraud.contracts import keys
from cardfraud.errors import Conflict, Unavailable
from cardfraud_inference.telemetry.prediction_journal import HeldFile, Journal
from cardfraud_inference.telemetry.prediction_table import encode
from tests.cardfraud_inference.prediction_logs import Failing, counted, holds, log
from tests.cardfraud_inference.waiting import until
from tests.support.predictions import decisions, encoded


def killed(path: Path, *, lost: int, rows: int) -> HeldFile:
    """Leave the journal of a process that was killed while it wrote a file; return the file."""
    journal = Journal.open(path, "a" * 32, "fraud")
    assert journal is not None
    held = HeldFile("a" * 32, date(2026, 3, 2), 7, rows)
    journal.offer(lost + rows)
    journal.hold(held)
    journal.close()
    return held


def key_of(file: HeldFile) -> str:
    """Where the file lies when it is written."""
    return keys.predictions("fraud", file.day, file.writer, file.number)


def test_rows_that_a_killed_process_had_are_lost_and_counted(tmp_path: Path) -> None:
    """Also those of the file that it was writing, which now can never come."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=5, rows=3)
    writing = log(store, journal=tmp_path / "journal")
    until(lambda: counted("lost") - before == 8)
    with pytest.raises(Conflict):
        store.put_if_absent(key_of(file), b"what the killed process had sent")
    writing.add(decisions("ab"))
    writing.close(5)
    assert holds(store.rows, "ab")


def test_a_file_that_a_killed_process_had_written_is_not_lost(tmp_path: Path) -> None:
    """It was killed after the store had taken the file and before it knew."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=5, rows=3)
    store.files[key_of(file)] = encoded(decisions("abc"))
    writing = log(store, journal=tmp_path / "journal")
    writing.close(5)
    assert counted("lost") - before == 5
    assert holds(store.rows, "abc")


def test_a_file_is_lost_once_whoever_finds_out(tmp_path: Path) -> None:
    """A process that was killed after it had found out, and before it told, leaves it again."""
    store, before = Failing(RuntimeError(), failures=0), counted("lost")
    file = killed(tmp_path / "journal", lost=0, rows=3)
    store.files[key_of(file)] = encode([])
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before == 3
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before == 3


def test_a_file_under_way_at_the_end_is_left_to_the_next_process(tmp_path: Path) -> None:
    """Nobody knows of it: it is neither dropped nor written until the next one has asked."""
    away = Failing(Unavailable("object store", "away"), failures=10**6)
    before = {outcome: counted(outcome) for outcome in ("dropped", "lost")}
    writing = log(away, journal=tmp_path / "journal")
    writing.add(decisions("ab"))
    writing.add(decisions("c"))
    until(lambda: away.attempts > 0)
    writing.close(0)
    assert counted("dropped") - before["dropped"] == 1
    store = Failing(RuntimeError(), failures=0)
    log(store, journal=tmp_path / "journal").close(5)
    assert counted("lost") - before["lost"] == 2


def test_without_a_journal_a_file_under_way_counts_as_dropped() -> None:
    """Nobody will ever find out, so the count is the highest that it can be."""
    away, before = Failing(Unavailable("object store", "away"), failures=10**6), counted("dropped")
    writing = log(away)
    writing.add(decisions("ab"))
    writing.add(decisions("c"))
    until(lambda: away.attempts > 0)
    writing.close(0)
    assert counted("dropped") - before == 3


def test_a_journal_that_another_process_uses_stops_nothing(tmp_path: Path) -> None:
    """The second log goes without, and writes all the same."""
    store = Failing(RuntimeError(), failures=0)
    first = log(store, journal=tmp_path / "journal")
    second = log(store, journal=tmp_path / "journal")
    second.add(decisions("ab"))
    second.close(5)
    first.add(decisions("cd"))
    first.close(5)
    assert holds(store.rows, "abcd")
