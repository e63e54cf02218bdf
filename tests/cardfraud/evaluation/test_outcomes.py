from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.frames import LABEL_SCHEMA, TIME
from cardfraud.contracts.telemetry import hashed
from cardfraud.evaluation.outcomes import join_outcomes

KEY = b"a key that only tests know"
NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
IDS = st.sampled_from(["t1", "t2", "t3", "t4"])
HOURS = st.integers(-30, 10).map(lambda hours: NOON + timedelta(hours=hours))

served = st.tuples(IDS, st.sampled_from(["stable", "shadow"]), HOURS)
label = st.tuples(IDS, st.booleans(), HOURS, st.integers(1, 3))
Label = tuple[str, bool, datetime, int]


def log_of(rows: Sequence[tuple[str, str, datetime]]) -> pl.DataFrame:
    """Return rows of the log."""
    return pl.DataFrame(
        [(hashed(name, KEY), track, moment) for name, track, moment in rows],
        schema={"transaction_key": pl.String, "track": pl.String, "event_time": TIME},
        orient="row",
    )


def labels_of(rows: Sequence[Label]) -> pl.DataFrame:
    """Return labels."""
    return pl.DataFrame(rows, schema=LABEL_SCHEMA, orient="row")


def last_word(name: str, labels: Sequence[Label], as_of: datetime) -> bool | None:
    """What is said of a transaction: one label after the other, each beside the best so far."""
    best: Label | None = None
    for one in labels:
        if one[0] != name or one[2] > as_of:
            continue
        if best is None or (one[3], one[2]) > (best[3], best[2]):
            best = one
    return None if best is None else best[1]


def unambiguous(labels: Sequence[Label]) -> bool:
    """Whether no two labels of a transaction share revision and time of report."""
    identities = [(name, moment, revision) for name, _, moment, revision in labels]
    return len(set(identities)) == len(identities)


@given(
    st.lists(served, max_size=12, unique_by=lambda row: row[:2]),
    st.lists(label, max_size=12).filter(unambiguous),
    HOURS,
    st.integers(0, 20).map(lambda hours: timedelta(hours=hours)),
)
def test_outcomes_are_those_of_looking_at_each_row(
    rows: list[tuple[str, str, datetime]],
    labels: list[Label],
    as_of: datetime,
    maturity: timedelta,
) -> None:
    """Settled rows have the last word known by then, the others are kept apart, none is lost."""
    joined = join_outcomes(log_of(rows), labels_of(labels), key=KEY, as_of=as_of, maturity=maturity)
    old = [row for row in rows if row[2] + maturity <= as_of]
    young = [row for row in rows if row[2] + maturity > as_of]
    words = [last_word(row[0], labels, as_of) for row in old]
    expected = log_of(old).with_columns(
        is_fraud=pl.Series([bool(word) for word in words], dtype=pl.Boolean)
    )
    assert joined.matured.select(expected.columns).equals(expected)
    assert joined.immature.equals(log_of(young))
    assert joined.labelled == sum(word is not None for word in words)


def test_another_key_finds_no_label() -> None:
    """Whoever has another key learns nothing, and sees that nothing was found."""
    rows, labels = [("t1", "stable", NOON)], [("t1", True, NOON, 1)]
    later = NOON + timedelta(days=30)
    mine = join_outcomes(log_of(rows), labels_of(labels), key=KEY, as_of=later)
    other = join_outcomes(log_of(rows), labels_of(labels), key=b"x", as_of=later)
    assert (mine.labelled, mine.matured["is_fraud"].to_list()) == (1, [True])
    assert (other.labelled, other.matured["is_fraud"].to_list()) == (0, [False])
