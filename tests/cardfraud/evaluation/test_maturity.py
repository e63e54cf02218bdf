from datetime import UTC, datetime, timedelta

import polars as pl

from cardfraud.evaluation.maturity import matured_rows

NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
UTC_TIME = pl.Datetime("us", "UTC")


def _transactions(*ages_in_days: float) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "transaction_id": [f"t{i}" for i in range(len(ages_in_days))],
            "event_time": pl.Series(
                [NOON - timedelta(days=age) for age in ages_in_days], dtype=UTC_TIME
            ),
        }
    )


def _labels(*rows: tuple[str, bool, float, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [(i, fraud, NOON - timedelta(days=age), revision) for i, fraud, age, revision in rows],
        schema={
            "transaction_id": pl.String,
            "is_fraud": pl.Boolean,
            "reported_at": UTC_TIME,
            "revision": pl.Int32,
        },
        orient="row",
    )


def test_young_transactions_are_left_out_even_when_a_fraud_is_known() -> None:
    """Only rows whose maturity has passed count; the moment itself is enough."""
    rows = matured_rows(_transactions(7, 6.99, 1), _labels(("t1", True, 0.5, 1)), as_of=NOON)
    assert rows.frame["transaction_id"].to_list() == ["t0"]
    assert rows.immature == 2


def test_without_a_label_a_mature_transaction_is_legitimate() -> None:
    """Silence means legitimate once the maturity has passed."""
    rows = matured_rows(_transactions(8, 9), _labels(("t1", True, 2, 1)), as_of=NOON)
    assert rows.frame["is_fraud"].to_list() == [False, True]


def test_labels_reported_later_are_not_seen() -> None:
    """A report after the moment changes nothing, whatever it says."""
    late = _labels(("t0", True, -0.001, 1), ("t1", True, 0, 1))
    rows = matured_rows(_transactions(8, 9), late, as_of=NOON)
    assert rows.frame["is_fraud"].to_list() == [False, True]


def test_the_latest_revision_known_by_then_counts() -> None:
    """A correction counts from when it was reported, not before."""
    labels = _labels(("t0", True, 5, 1), ("t0", False, 2, 2), ("t0", True, 0.5, 3))
    transactions = _transactions(30)
    at = {
        days: matured_rows(transactions, labels, as_of=NOON - timedelta(days=days)).frame[
            "is_fraud"
        ][0]
        for days in (6, 3, 1, 0)
    }
    assert at == {6: False, 3: True, 1: False, 0: True}


def test_the_order_of_rows_is_kept() -> None:
    """Rows come back in the order in which they were given."""
    transactions = _transactions(8, 30, 9, 20).reverse()
    labels = _labels(("t3", True, 1, 1), ("t0", True, 1, 1))
    rows = matured_rows(transactions, labels, as_of=NOON)
    assert rows.frame["transaction_id"].to_list() == ["t3", "t2", "t1", "t0"]
    assert rows.frame["is_fraud"].to_list() == [True, False, False, True]
