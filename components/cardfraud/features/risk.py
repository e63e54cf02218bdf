"""Aggregates of merchants over whole tables, seen through the label delay.

For a request in UTC hour H of UTC day D a window of w days holds the merchant's transactions from
the day D - delay - w on and before the hour H - delay, and a fraud among them counts if its latest
label reported before H says so. A fraud therefore adds one to the hours H of an interval; the
number of open intervals at H is the number of begun ones less the number of ended ones, which are
two searches in sorted keys. The streaks of frauds, which are found by walking back, are in
``streaks``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cardfraud.features.history import UserOrder, hundredths_of_mean, user_order
from cardfraud.features.merchant_state import DELAY_HOURS, REACH_DAYS, RISK_DAYS, STREAK_DAYS
from cardfraud.features.streaks import FraudTimes, fraud_streaks
from cardfraud.features.tiles import HOURS_A_DAY
from cardfraud.features.values import (
    HOUR_US,
    FraudStreak,
    Int,
    MerchantAggregates,
    RiskWindow,
)

_NEVER: Final = 2**31 - 1
_MARGIN: Final = (REACH_DAYS + 27) * HOURS_A_DAY
"""Hours kept free before a table's first day, so that a window never reaches another merchant."""


@dataclass(frozen=True, slots=True)
class KnownFrauds:
    """Times during which a transaction was known as fraud, one row for each such time.

    Attributes:
        row: [M] position of the transaction in its table.
        merchant: [M] code of the merchant.
        hour: [M] UTC hour of the transaction.
        since: [M] first UTC hour whose requests may know it.
        until: [M] first UTC hour that knows better; ``_NEVER`` where no revision takes it back.
    """

    row: Int
    merchant: Int
    hour: Int
    since: Int
    until: Int


def merchant_aggregates(
    transactions: pl.DataFrame,
    labels: pl.DataFrame,
    requests: pl.DataFrame | None = None,
    *,
    users: UserOrder | None = None,
) -> MerchantAggregates:
    """Aggregates of each request's merchant as of the request's UTC hour, [N] each.

    Args:
        transactions: all that may be seen; the canonical columns.
        labels: transaction_id, is_fraud, reported_at, revision.
        requests: event_time and merchant_id of the rows asked for; the transactions if absent.
        users: the transactions in the order of their users; made here if absent.
    """
    codes = merchant_codes(transactions)
    merchant, hour = _codes_of(transactions, codes), _hour(transactions, "event_time")
    frauds = known_frauds(transactions, labels, codes)
    asked, now = merchant, hour
    if requests is not None:
        asked, now = _codes_of(requests, codes), _hour(requests, "event_time")
    keys = _Keys.over(hour, now)
    # Searches for rising keys stay in the processor's cache; those for keys in the table's order
    # do not, and take ten times as long.
    order = np.lexsort((_narrow(now - keys.lowest), _narrow(asked + 1)))
    edge = keys.of(asked, now)[order]  # below every event's key where the merchant is unknown
    events_order = order if requests is None else np.lexsort((hour, merchant))
    events = edge if requests is None else keys.of(merchant, hour)[events_order]
    newest = np.searchsorted(events, edge - DELAY_HOURS)
    midnight = edge - edge % HOURS_A_DAY - DELAY_HOURS
    oldest = {
        days: np.searchsorted(events, midnight - HOURS_A_DAY * days)
        for days in {*RISK_DAYS, STREAK_DAYS}
    }
    day, week, month = (
        RiskWindow(
            _restored(newest - oldest[days], order),
            _restored(_open_at(edge, frauds, days, keys), order),
        )
        for days in RISK_DAYS
    )
    times = _fraud_times(frauds, users or user_order(transactions), events_order, keys)
    streak = fraud_streaks(events, edge, (oldest[STREAK_DAYS], newest), times)
    return MerchantAggregates(
        day=day,
        week=week,
        month=month,
        streak=FraudStreak(
            *(_restored(getattr(streak, field.name), order) for field in fields(FraudStreak))
        ),
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """Merchant and hour as one number that rises with both.

    Attributes:
        lowest: the hour that counts as 0, a midnight.
        span: hours of one merchant's numbers, whole days; so days are whole parts of a number.
    """

    lowest: int
    span: int

    @staticmethod
    def over(*hours: Int) -> _Keys:
        """Keys of all hours of some arrays, with a margin before and after them."""
        lowest = min((int(a.min()) for a in hours if len(a)), default=0) - _MARGIN
        highest = max((int(a.max()) for a in hours if len(a)), default=0) + _MARGIN
        midnight = lowest - lowest % HOURS_A_DAY
        return _Keys(midnight, (highest - midnight) // HOURS_A_DAY * HOURS_A_DAY + HOURS_A_DAY)

    def of(self, merchants: Int, hours: Int) -> Int:
        return merchants * self.span + np.clip(hours - self.lowest, 0, self.span - 1)


def _open_at(edge: Int, frauds: KnownFrauds, days: int, keys: _Keys) -> Int:
    """Known frauds in the window of so many days at each of the rising keys, [N]."""
    left = (frauds.hour // HOURS_A_DAY + 1 + days) * HOURS_A_DAY  # a window loses whole days
    opens = np.maximum(frauds.hour + DELAY_HOURS + 1, frauds.since)
    closes = np.minimum(left + DELAY_HOURS, frauds.until)
    seen = opens < closes
    begun = np.sort(keys.of(frauds.merchant[seen], opens[seen]))
    ended = np.sort(keys.of(frauds.merchant[seen], closes[seen]))
    # The intervals of the merchants before this one are in both numbers, so they cancel.
    open_now: Int = np.searchsorted(begun, edge, "right") - np.searchsorted(ended, edge, "right")
    return open_now


def _fraud_times(
    frauds: KnownFrauds, users: UserOrder, events_order: Int, keys: _Keys
) -> FraudTimes:
    """Times of knowledge by the frauds' positions in the order of (merchant, hour)."""
    return FraudTimes.of(
        events=len(events_order),
        position=_positions(events_order)[frauds.row],
        since=frauds.since - keys.lowest,
        until=frauds.until - keys.lowest,
        ratio=hundredths_of_mean(users, _positions(users.row)[frauds.row]),
        span=keys.span,
    )


def _positions(order: Int) -> Int:
    """Where each row of a table stands in an order of its rows."""
    result = np.empty(len(order), dtype=np.int64)
    result[order] = np.arange(len(order))
    return result


def _narrow(codes: Int) -> NDArray[np.unsignedinteger]:
    """Codes from 0 on in the smallest type that holds them; sixteen bits sort by radix."""
    return codes.astype(np.min_scalar_type(int(codes.max(initial=0))))


def _restored(ordered: Int, order: Int) -> Int:
    """Numbers of the sorted requests in the order of the table."""
    result = np.empty(len(order), dtype=np.int64)
    result[order] = ordered
    return result


def merchant_codes(transactions: pl.DataFrame) -> pl.DataFrame:
    """A number for each merchant: columns merchant_id and code, in order of the identifier."""
    return (
        transactions.select(pl.col("merchant_id").unique())
        .sort("merchant_id")
        .with_row_index("code")
    )


def known_frauds(
    transactions: pl.DataFrame, labels: pl.DataFrame, codes: pl.DataFrame
) -> KnownFrauds:
    """Turn label revisions into times of knowledge.

    Revisions of one transaction are read in order of (reported_at, revision); a revision holds
    from the first full hour after its report until the first full hour after the next one's.
    """
    known = (
        labels.sort("transaction_id", "reported_at", "revision")
        .with_columns(
            since=pl.col("reported_at").dt.epoch("us") // HOUR_US + 1,
            # On the hour exactly the report is not before the hour's start, so not known yet.
            highest=pl.col("revision").cum_max().over("transaction_id"),
        )
        .filter(pl.col("revision") == pl.col("highest"))
        .with_columns(until=pl.col("since").shift(-1).over("transaction_id").fill_null(_NEVER))
        .filter(pl.col("is_fraud") & (pl.col("since") < pl.col("until")))
        .join(
            transactions.select("transaction_id", "event_time", "merchant_id").with_row_index(
                "row"
            ),
            on="transaction_id",
        )
        .join(codes, on="merchant_id")
    )
    return KnownFrauds(
        row=known["row"].to_numpy().astype(np.int64),
        merchant=known["code"].to_numpy().astype(np.int64),
        hour=_hour(known, "event_time"),
        since=known["since"].to_numpy().astype(np.int64),
        until=known["until"].to_numpy().astype(np.int64),
    )


def _codes_of(frame: pl.DataFrame, codes: pl.DataFrame) -> Int:
    """Code of each row's merchant, -1 where it has none."""
    joined = frame.select("merchant_id").join(
        codes, on="merchant_id", how="left", maintain_order="left"
    )
    return joined["code"].cast(pl.Int64).fill_null(-1).to_numpy()


def _hour(frame: pl.DataFrame, column: str) -> Int:
    return frame[column].to_physical().to_numpy().astype(np.int64) // HOUR_US
