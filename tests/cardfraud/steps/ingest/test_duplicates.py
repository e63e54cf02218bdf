import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.steps.ingest.duplicates import separate
from tests.support.transactions import NOON, transactions


def test_a_repetition_is_dropped_and_a_contradiction_is_kept_apart() -> None:
    """Of rows with one identifier the first is kept; others are dropped, or conflict with it."""
    same = {"transaction_id": "a", "event_time": NOON, "user_id": "u", "merchant_id": "m"}
    rows = transactions(
        [
            {**same, "amount_minor": 1},
            {**same, "amount_minor": 1},
            {**same, "amount_minor": 2},
            {**same, "amount_minor": 1, "segment": "new"},
            {"transaction_id": "b"},
            {**same, "amount_minor": 2},
        ]
    )
    separated = separate(rows)
    assert separated.kept["transaction_id"].to_list() == ["a", "b"]
    assert separated.kept["amount_minor"][0] == 1
    assert separated.duplicates == 1
    assert separated.conflicts["amount_minor"].to_list() == [2, 1, 2]


def test_rows_without_an_identifier_are_no_duplicates() -> None:
    """Two rows without an identifier are both kept, for the validation to judge."""
    separated = separate(transactions([{"transaction_id": None}, {"transaction_id": None}]))
    assert len(separated.kept) == 2
    assert separated.duplicates == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=30))
def test_every_row_goes_to_one_place(cells: list[tuple[str, int]]) -> None:
    """Kept, dropped and conflicting rows add up, and agree with a plain loop."""
    rows = transactions(
        [
            {"transaction_id": name, "amount_minor": amount, "event_time": NOON, "user_id": "u"}
            | {"merchant_id": "m"}
            for name, amount in cells
        ]
    )
    first: dict[str, int] = {}
    conflicts: list[int] = []
    duplicates = 0
    for name, amount in cells:
        if first.setdefault(name, amount) != amount:
            conflicts.append(amount)
        else:
            duplicates += 1
    duplicates -= len(first)
    separated = separate(rows)
    assert dict(separated.kept.select("transaction_id", "amount_minor").iter_rows()) == first
    assert separated.conflicts["amount_minor"].to_list() == conflicts
    assert separated.duplicates == duplicates
    assert len(separated.kept) + len(separated.conflicts) + separated.duplicates == len(rows)


def test_the_order_of_the_source_stays() -> None:
    """Kept rows stand in the source's order."""
    rows = transactions([{"transaction_id": name} for name in "cabac"])
    assert separate(rows).kept["transaction_id"].to_list() == ["c", "a", "b"]
    assert separate(rows).kept.schema == pl.Schema(rows.schema)
