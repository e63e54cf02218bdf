"""What may be used of a request's state: age, staleness and absence, by the request's own clock.

Feast's online store knows no time to live and calls an absent entity present, so this is judged
here, from what the state itself says of the moment it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cardfraud.features.definitions import MERCHANT_STATE, USER_HISTORY_STATE
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.online import UserState
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import StreamView
from cardfraud.features.values import DAY_US, HOUR_US

_MICROSECOND: Final = timedelta(microseconds=1)


def _ttl_us(ttl: timedelta | None) -> int:
    assert ttl is not None  # noqa: S101 (the daily states have one; for the type checker)
    return ttl // _MICROSECOND


HISTORY_TTL_US: Final = _ttl_us(USER_HISTORY_STATE.ttl)
MERCHANT_TTL_US: Final = _ttl_us(MERCHANT_STATE.ttl)


@dataclass(frozen=True, slots=True)
class StateHealth:
    """The state that a request may use, and what is wrong with the rest.

    Attributes:
        user: both halves of the user's state; stale history is left out.
        merchant: the merchant's state; ``None`` where it is stale or absent.
        stale: names of the state views that are too old for the request, or should be there.
        missing: ``user`` or ``merchant`` where the store knows nothing of it: a cold start. So it
            is with a user of whom the stream has set aside all events.
        age_seconds: request time less the moment that the oldest snapshot in use stands for,
            at least 0; ``None`` where none is in use.
        late: the state already holds something that happened after the request.
    """

    user: UserState
    merchant: MerchantState | None
    stale: tuple[str, ...]
    missing: tuple[str, ...]
    age_seconds: float | None
    late: bool

    @property
    def degraded(self) -> bool:
        """Whether defaults stand where known values should be. A cold start is not degraded."""
        return bool(self.stale)


def judge(
    history: UserHistory | None,
    stream: StreamView | None,
    merchant: MerchantState | None,
    time_us: int,
) -> StateHealth:
    """Tell what of the state may be used for a request at ``time_us``.

    Args:
        history: the user's daily state as stored.
        stream: the user's streamed state as stored.
        merchant: the merchant's hourly state as stored.
        time_us: the request's event time, microseconds since 1970-01-01 UTC.
    """
    stale: list[str] = []
    missing: list[str] = []
    if history is None and (stream is None or not len(stream.days)):
        missing.append("user")
    elif _history_is_stale(history, stream, time_us):
        stale.append(USER_HISTORY_STATE.name)
        history = None
    if merchant is None:
        missing.append("merchant")
    elif time_us - merchant.as_of_hour * HOUR_US > MERCHANT_TTL_US:
        stale.append(MERCHANT_STATE.name)
        merchant = None
    moments = [history.watermark_day * DAY_US] if history else []
    moments += [merchant.as_of_hour * HOUR_US] if merchant else []
    latest = max(history.last_us if history else 0, stream.last_us if stream else 0)
    return StateHealth(
        user=UserState(history, stream),
        merchant=merchant,
        stale=tuple(stale),
        missing=tuple(missing),
        age_seconds=max(0, time_us - min(moments)) / 1_000_000 if moments else None,
        late=latest > time_us,
    )


def _history_is_stale(history: UserHistory | None, stream: StreamView | None, time_us: int) -> bool:
    """Tell whether the daily half is too old, leaves a gap, or should have been there.

    The daily job writes every user it knows of. A user whose oldest streamed day ended longer ago
    than the ttl would be in every history that is young enough, so that its absence is staleness.
    """
    if history is not None:
        too_old = time_us - history.watermark_day * DAY_US > HISTORY_TTL_US
        return too_old or UserState(history, stream).has_gap()
    if stream is None:
        return False
    first_day_ended_us = (stream.base_day + 1) * DAY_US
    return time_us - first_day_ended_us > HISTORY_TTL_US
