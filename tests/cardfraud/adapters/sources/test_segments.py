from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cardfraud.adapters.sources import DerivedSegments
from cardfraud.adapters.sources.segments import users_seen
from cardfraud.contracts.frames import USER_SCHEMA, require_schema
from cardfraud.contracts.sources import Extract
from tests.support.transactions import NOON, TableSource, labels_of, transactions

FIRST = NOON.date()
USERS = 20


def source(days: int, *, factor_after: tuple[int, int] = (0, 1)) -> DerivedSegments:
    """Twenty users who buy every day, user n for n units, the last one from day 20 on.

    Args:
        days: how many days there are.
        factor_after: from this day on, amounts are so many times larger.
    """
    tables: dict[date, Extract] = {}
    for number in range(days):
        factor = factor_after[1] if number >= factor_after[0] else 1
        rows = transactions(
            [
                {
                    "transaction_id": f"t{number}-{user:02d}",
                    "event_time": NOON + timedelta(days=number),
                    "user_id": f"u{user:02d}",
                    "amount_minor": 100 * (user + 1) * factor,
                }
                for user in range(USERS if number >= 20 else USERS - 1)
            ]
        )
        tables[FIRST + timedelta(days=number)] = Extract(rows, labels_of(rows))
    return DerivedSegments(TableSource(tables))


def segments(of: DerivedSegments, number: int) -> dict[str, str]:
    """Return the segment of every user on a day."""
    rows = of.read(FIRST + timedelta(days=number)).transactions
    return dict(rows.select("user_id", "segment").iter_rows())


def test_everybody_is_new_for_thirty_days() -> None:
    """For thirty days after the first transaction a user is new, on the thirtieth no more."""
    derived = source(60)
    assert set(segments(derived, 29).values()) == {"new"}
    after = segments(derived, 30)
    assert after.pop("u19") == "new"
    assert "new" not in after.values()
    assert segments(derived, 49)["u19"] == "new"
    assert segments(derived, 50)["u19"] != "new"


def test_deciles_are_those_of_the_first_spending() -> None:
    """Whoever spends least is in the first decile, whoever spends most in the last."""
    after = segments(source(60), 55)
    assert after["u00"] == "spend-d01"
    assert after["u18"] == "spend-d10"
    assert sorted(after.values()) == [name for _, name in sorted(after.items())]


@pytest.mark.parametrize("cut", [25, 31, 45])
def test_segments_never_look_ahead(cut: int) -> None:
    """Cutting the source off after a day, or changing what comes later, changes no segment."""
    whole = source(60)
    short = source(cut + 1)
    changed = source(60, factor_after=(cut + 1, 50))
    for number in (0, cut // 2, cut):
        day = FIRST + timedelta(days=number)
        assert_frame_equal(whole.read(day).transactions, short.read(day).transactions)
        assert segments(changed, number) == segments(whole, number)


def test_users_are_as_of_the_end() -> None:
    """The table of users has the segment that each has after the last day."""
    users = source(45).users()
    require_schema(users, USER_SCHEMA, "users")
    by_user = {user: segment for user, segment, _ in users.iter_rows()}
    assert len(by_user) == USERS
    assert by_user["u19"] == "new"
    assert by_user["u18"] == "spend-d10"
    assert users["joined_at"][0] == NOON


def test_nothing_else_changes() -> None:
    """Only the segment changes: rows, their order and all other columns stay."""
    derived = source(3)
    plain = derived._source.read(FIRST)
    with_segments = derived.read(FIRST)
    assert_frame_equal(
        plain.transactions.drop("segment"), with_segments.transactions.drop("segment")
    )
    assert with_segments.transactions.columns == plain.transactions.columns
    assert_frame_equal(plain.labels, with_segments.labels)
    assert derived.name == "table"


def test_a_row_without_a_user_has_no_segment() -> None:
    """A row that has no user stays, without a segment."""
    rows = transactions([{"user_id": None}, {"user_id": "u1"}])
    derived = DerivedSegments(TableSource({FIRST: Extract(rows, labels_of(rows))}))
    assert derived.read(FIRST).transactions["segment"].to_list() == [None, "new"]
    assert derived.users()["user_id"].to_list() == ["u1"]


def test_users_seen_keep_the_latest_segment() -> None:
    """Where the source has segments, a user's latest one counts, and the first time seen."""
    rows = transactions(
        [
            {"user_id": "a", "segment": "silver"},
            {"user_id": "a", "segment": "gold"},
            {"user_id": "a"},
            {"user_id": "b"},
        ]
    )
    users = users_seen([rows])
    require_schema(users, USER_SCHEMA, "users")
    assert users.select("user_id", "segment").rows() == [("a", "gold"), ("b", None)]
    assert users["joined_at"][0] == NOON
    assert users.schema["segment"] == pl.String
