import numpy as np
import pytest

from cardfraud.features.health import judge
from cardfraud.features.merchant_state import RISK_TILE, MerchantState
from cardfraud.features.tiles import DAY_TILE, HOUR_TILE
from cardfraud.features.user_history import UserHistory
from cardfraud.features.user_stream import Event, Outcome, StreamView, UserStream, apply

DAY = 86_400_000_000
TODAY = 19_800
NOW = TODAY * DAY + DAY // 2


def history(watermark_day: int = TODAY, last_us: int = 0) -> UserHistory:
    """Daily state of a user without tiles."""
    return UserHistory(
        watermark_day, last_us, np.empty(0, dtype=DAY_TILE), np.empty(0, dtype=HOUR_TILE)
    )


def merchant(as_of_day: int = TODAY, hour: int = 0) -> MerchantState:
    """Hourly state of a merchant without tiles."""
    return MerchantState(as_of_day * 24 + hour, np.empty(0, dtype=RISK_TILE))


def stream(*times_us: int) -> StreamView:
    """Streamed state after events at these times."""
    state = UserStream()
    for offset, moment in enumerate(times_us):
        state, _ = apply(state, Event(0, offset, moment, 100, offset))
    return StreamView.decode(state.encode())


def test_fresh_state_is_used_as_it_is() -> None:
    """State of today is neither stale nor missing, and its age is that of the midnight."""
    own, shop, live = history(), merchant(), stream(NOW - DAY)
    health = judge(own, live, shop, NOW)
    assert (health.user.history, health.user.stream, health.merchant) == (own, live, shop)
    assert (health.stale, health.missing, health.late, health.degraded) == ((), (), False, False)
    assert health.age_seconds == 43_200.0


@pytest.mark.parametrize(("late_us", "stale"), [(0, False), (1, True)])
def test_state_is_stale_after_its_ttl_by_the_requests_clock(late_us: int, stale: bool) -> None:
    """Two days after its moment state is still used, a microsecond later it is not."""
    moment = (TODAY + 2) * DAY + late_us
    health = judge(history(), None, merchant(), moment)
    assert health.stale == (("user_history_state_v1", "merchant_state_v3") if stale else ())
    assert (health.user.history is None, health.merchant is None) == (stale, stale)
    assert health.degraded == stale
    assert health.missing == ()
    assert health.age_seconds == (None if stale else 2 * 86_400.0)


def test_the_oldest_daily_state_in_use_gives_the_age() -> None:
    """The age is that of what the decision rests on, not that of what was set aside."""
    assert judge(history(), None, merchant(TODAY - 1), NOW).age_seconds == 1.5 * 86_400
    assert judge(history(), None, merchant(TODAY - 3), NOW).age_seconds == 0.5 * 86_400
    assert judge(None, None, merchant(TODAY, 11), NOW).age_seconds == 3_600


def test_unknown_entities_are_missing_and_not_degraded() -> None:
    """A cold start is told apart from staleness."""
    health = judge(None, None, None, NOW)
    assert (health.missing, health.stale) == (("user", "merchant"), ())
    assert (health.age_seconds, health.degraded, health.late) == (None, False, False)


def test_a_user_whose_events_were_all_set_aside_is_missing() -> None:
    """A streamed state that holds nothing but positions tells nothing of the user."""
    state, outcome = apply(UserStream(), Event(0, 0, NOW + DAY, 100, 0), latest_us=NOW)
    assert outcome is Outcome.TOO_EARLY
    health = judge(None, StreamView.decode(state.encode()), None, NOW)
    assert (health.missing, health.stale) == (("user", "merchant"), ())
    assert not health.degraded


def test_either_half_of_a_user_makes_it_known() -> None:
    """A user whom only the stream, or only the daily job, has seen is not missing."""
    assert judge(history(), None, merchant(), NOW).missing == ()
    assert judge(None, stream(NOW - DAY), merchant(), NOW).missing == ()


@pytest.mark.parametrize(
    ("first_us", "stale"),
    [(NOW - 2 * DAY, False), ((TODAY - 2) * DAY - 1, True), (NOW - 40 * DAY, True)],
)
def test_history_that_should_be_there_is_stale(first_us: int, stale: bool) -> None:
    """A user who was active before the oldest young history lacks one because the job is late."""
    health = judge(None, stream(first_us), merchant(), NOW)
    assert health.stale == (("user_history_state_v1",) if stale else ())


def test_a_gap_between_the_halves_is_stale() -> None:
    """When the stream has dropped days that the daily job never wrote, the history is set aside."""
    ran_ahead = stream((TODAY + 4) * DAY)
    health = judge(history(), ran_ahead, merchant(), NOW)
    assert health.stale == ("user_history_state_v1",)
    assert health.user.history is None
    assert health.user.stream is ran_ahead


@pytest.mark.parametrize(("last_us", "late"), [(NOW - 1, False), (NOW, False), (NOW + 1, True)])
def test_a_request_that_state_has_overtaken_is_late(last_us: int, late: bool) -> None:
    """State that holds something later than the request is told, from either half."""
    assert judge(history(), stream(last_us), merchant(), NOW).late == late
    assert judge(history(last_us=last_us), None, merchant(), NOW).late == late
