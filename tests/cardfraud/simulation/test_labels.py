from datetime import date, timedelta

import polars as pl
import pytest

from cardfraud.simulation import LateLabels, Scenario, SimulationSettings, Simulator

SETTINGS = SimulationSettings(start=date(2024, 1, 1), days=10, users=1_000, merchants=200)


def labelled(rules: LateLabels) -> pl.DataFrame:
    """Return every label beside its transaction's time and truth."""
    simulator = Simulator(SETTINGS.model_copy(update={"labels": rules}))
    return pl.concat(
        day.labels.join(
            day.transactions.select(
                "transaction_id",
                "event_time",
                truth=pl.Series(day.scenario != Scenario.NONE),
            ),
            on="transaction_id",
        )
        for day in simulator.simulate()
    )


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Return ten days of labels with the default rules."""
    return labelled(LateLabels())


def test_every_transaction_gets_a_label(rows: pl.DataFrame) -> None:
    """Every transaction has revision 0, and every label comes after its event."""
    first = rows.filter(pl.col("revision") == 0)
    assert first["transaction_id"].is_unique().all()
    assert (rows["reported_at"] > rows["event_time"]).all()


def test_most_labels_come_within_a_week(rows: pl.DataFrame) -> None:
    """About 83 % of the first labels come within seven days, and none after the longest time."""
    delay = rows.filter(pl.col("revision") == 0).select(
        delay=pl.col("reported_at") - pl.col("event_time")
    )["delay"]
    within = (delay <= timedelta(days=7)).mean()
    assert isinstance(within, float)
    assert 0.81 < within < 0.85
    assert delay.max() <= timedelta(days=45)  # type: ignore[operator]


def test_the_latest_revision_is_the_truth(rows: pl.DataFrame) -> None:
    """Whatever was said first, the highest revision of every transaction is the truth."""
    latest = rows.sort("revision").group_by("transaction_id").last()
    assert (latest["is_fraud"] == latest["truth"]).all()


def test_revisions_correct_what_was_wrong() -> None:
    """A second revision comes later than the first, and only where the first was wrong."""
    rows = labelled(LateLabels(missed_share=0.5, false_alarm_share=0.1))
    first = rows.filter(pl.col("revision") == 0)
    second = rows.filter(pl.col("revision") == 1)
    wrong = first.filter(pl.col("is_fraud") != pl.col("truth"))
    assert set(second["transaction_id"]) == set(wrong["transaction_id"])
    pairs = second.join(first, on="transaction_id")
    assert (pairs["reported_at"] > pairs["reported_at_right"]).all()
    missed = first.filter("truth").select((~pl.col("is_fraud")).mean()).item()
    alarms = first.filter(~pl.col("truth"))["is_fraud"].mean()
    assert 0.45 < missed < 0.55
    assert 0.08 < alarms < 0.12  # type: ignore[operator]
