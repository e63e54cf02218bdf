import dataclasses
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.frames import PREDICTION_SCHEMA
from cardfraud.contracts.telemetry import (
    PREDICTION_COLUMNS,
    PREDICTION_SCHEMA_VERSION,
    Pseudonyms,
    ServedDecisions,
    ServedVersions,
    hashed,
)
from cardfraud.errors import InvalidFrame
from cardfraud_inference.telemetry.packed_decisions import pack
from cardfraud_inference.telemetry.prediction_table import day_served, encode, has_rows
from tests.support.predictions import decisions, encoded

KEY = b"key"
VERSIONS = (
    ServedVersions("stable", "sha256-b", "sha256-p", "sha256:f"),
    ServedVersions("stable", "sha256-b", "sha256-q", "sha256:f", ("amount", "std")),
    ServedVersions("canary", "sha256-c", "sha256-q", "sha256:g", ("amount",)),
)
EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
moments = st.integers(0, 2**52)
finite = st.floats(-1e6, 1e6, width=32)


@st.composite
def requests(draw: st.DrawFn) -> ServedDecisions:
    """Decisions of one request, of one, two or several instances."""
    number, width = draw(st.integers(1, 4)), draw(st.sampled_from([1, 3]))
    versions = draw(st.sampled_from(VERSIONS))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=number, max_size=number))

    vector = np.array(column(st.tuples(*[finite] * width)), dtype=np.float32)
    scores: Any = draw(st.sampled_from([None, list, np.float32]))
    if scores is not None:
        given = column(st.floats(0, 1, width=32))
        scores = given if scores is list else np.array(given, dtype=np.float32)
    rules = [np.array(column(st.floats(width=64))) for _ in versions.rule_fields]
    return ServedDecisions(
        versions=versions,
        request_id=draw(texts),
        served_at_us=draw(moments),
        latency_ms=draw(st.floats(0, 1e4)),
        transaction_ids=column(texts),
        event_times_us=column(moments),
        vector=vector,
        scores=scores,
        decisions=column(st.sampled_from(["approve", "review", "decline"])),
        degraded=column(st.booleans()),
        ages=column(st.none() | st.floats(0, 1e6)),
        rule_values=rules,
        propensity=draw(st.floats(0, 1)),
    )


def rows(blocks: Sequence[ServedDecisions]) -> list[dict[str, Any]]:
    """What a file must hold, decision by decision."""
    expected = []
    for block in blocks:
        for place, name in enumerate(block.transaction_ids):
            values = [float(column[place]) for column in block.rule_values]
            pairs = zip(block.versions.rule_fields, values, strict=True)
            expected.append(
                {
                    "schema_version": PREDICTION_SCHEMA_VERSION,
                    "request_id": block.request_id,
                    "transaction_key": hashed(name, KEY),
                    "event_time": EPOCH + timedelta(microseconds=block.event_times_us[place]),
                    "served_at": EPOCH + timedelta(microseconds=block.served_at_us),
                    "track": block.versions.track,
                    "bundle": block.versions.bundle,
                    "policy": block.versions.policy,
                    "feature_set": block.versions.feature_set,
                    "vector": block.vector[place].tolist(),
                    "score": None if block.scores is None else float(block.scores[place]),
                    "decision": block.decisions[place],
                    "propensity": block.propensity,
                    "degraded": block.degraded[place],
                    "age_seconds": block.ages[place],
                    "latency_ms": block.latency_ms,
                    "rule_values": [{"name": name, "value": value} for name, value in pairs],
                }
            )
    return expected


@given(st.lists(requests(), max_size=6))
def test_a_file_holds_each_decision_as_it_was_served(blocks: list[ServedDecisions]) -> None:
    """Requests of one or many, with and without scores, of several versions, in any mixture."""
    content = encoded(*blocks, key=KEY)
    frame = pl.read_parquet(io.BytesIO(content))
    assert tuple(frame.columns) == PREDICTION_COLUMNS
    assert dict(frame.schema) == PREDICTION_SCHEMA
    # Compared as text, in which one NaN is like another.
    assert [str(row) for row in frame.iter_rows(named=True)] == [str(row) for row in rows(blocks)]
    assert has_rows(content) == bool(blocks)


@pytest.mark.parametrize("names", [["4556737586899855"], ["user@example.org", "t-1"]])
def test_no_identifier_is_in_a_file(names: list[str]) -> None:
    """What came as an id is nowhere in the bytes, not even in the statistics of a column."""
    number = len(names)
    block = ServedDecisions(
        VERSIONS[0], "request", 1, 1.0, names, [1] * number, np.zeros((number, 2), np.float32),
        None, ["review"] * number, [False] * number, [None] * number,
    )  # fmt: skip
    content = encoded(block, key=KEY)
    assert hashed(names[0], KEY).encode() in content
    assert not any(name.encode() in content for name in names)


def test_one_column_too_long_and_one_too_short_do_not_make_up_for_each_other() -> None:
    """Else the columns would be as long as they should, and rows have another's score."""
    long = decisions(["a"], scores=[0.1, 0.2])
    short = decisions(["b", "c"], scores=[0.3])
    with pytest.raises(InvalidFrame, match="1 decisions"):
        encoded(long, short)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 (the zone is the strategy's)
def test_a_day_is_that_of_utc(moment: datetime) -> None:
    """The partition of a row is the UTC day on which it was served."""
    us = (moment - EPOCH) // timedelta(microseconds=1)
    assert day_served(us) == date(moment.year, moment.month, moment.day)


def test_encoding_lets_go_of_the_interpreter() -> None:
    """However many decisions wait, other threads get their turn all the time."""
    block = ServedDecisions(
        VERSIONS[1], "r", 1, 1.0, ["a"], [1], np.zeros((1, 2), np.float32), [0.5], ["review"],
        [False], [None], [np.zeros(1), np.zeros(1)],
    )  # fmt: skip
    turns: list[int] = []
    encode([pack(block, Pseudonyms(KEY))] * 5_000, lambda: turns.append(1))
    assert len(turns) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"ages": [None]},
        {"degraded": [True]},
        {"decisions": ["review"]},
        {"rule_values": [np.zeros(1)]},
        {"rule_values": [np.zeros(2)] * 2},
    ],
    ids=str,
)
def test_each_column_has_an_entry_for_each_decision(change: dict[str, Any]) -> None:
    """Of two decisions, a column of one, or of a rule that is none, is refused."""
    with pytest.raises(InvalidFrame, match="2 decisions"):
        encoded(dataclasses.replace(decisions("ab"), **change))


def test_a_vector_of_other_numbers_is_written_in_32_bits() -> None:
    """Columns that lie strided, or hold 64 bits, come out as the same numbers."""
    wide = np.array([[0.5, 9.0, 2.0], [1.5, 9.0, 4.0]])[:, ::2]
    content = encoded(dataclasses.replace(decisions("ab"), vector=wide))
    frame = pl.read_parquet(io.BytesIO(content))
    assert frame["vector"].to_list() == [[0.5, 2.0], [1.5, 4.0]]
