from datetime import timedelta

import numpy as np

from cardfraud.adapters.feature_store import OnlineRow
from cardfraud.features.batch import all_values
from cardfraud.features.definitions import FEATURE_NAMES, FEATURES, USER_HISTORY_STATE
from cardfraud.features.merchant_state import MerchantState
from cardfraud.features.snapshot import merchant_snapshot, user_snapshot
from cardfraud.features.user_history import UserHistory
from cardfraud.features.values import vector
from cardfraud.scoring.assembly import assemble, assemble_without_state
from tests.support.feature_stores import START, day_number, history, labels, record, transactions

NOW = START + timedelta(days=6, hours=10)


def stored(user: str, merchant: str) -> OnlineRow:
    """State of users of the midnight before NOW, and of merchants of the hour."""
    users = dict(user_snapshot(history(), day_number(NOW)).iter_rows())
    hour = day_number(NOW) * 24 + NOW.hour
    merchants = dict(merchant_snapshot(history(), labels(), hour).iter_rows())
    return OnlineRow(
        history=UserHistory.decode(users[user]) if user in users else None,
        merchant=MerchantState.decode(merchants[merchant]) if merchant in merchants else None,
    )


def test_the_vector_is_the_one_of_the_batch_computation() -> None:
    """State and request give, bit for bit, the vector that the whole table gives for that row."""
    requests = [("a", "u1", "m1", 4_200), ("b", "u2", "m2", 99), ("c", "nobody", "nowhere", 1)]
    records = [record(name, NOW, user, shop, amount) for name, user, shop, amount in requests]
    assembly = assemble(records, [stored(one.user_id, one.merchant_id) for one in records])
    for index, (name, user, shop, amount) in enumerate(requests):
        table = history().vstack(transactions([(name, NOW, user, shop, amount)]))
        expected = vector(all_values(table, labels()))[-1]
        np.testing.assert_array_equal(assembly.vector[index], expected, err_msg=name)


def test_unknown_entities_get_defaults_and_are_named() -> None:
    """A cold start is no fault: every stored feature has its default, nothing is degraded."""
    assembly = assemble([record("a", NOW, "nobody", "nowhere")], [stored("nobody", "nowhere")])
    health = assembly.health[0]
    assert set(health.missing) == {"user", "merchant"}
    assert not health.degraded
    for column, feature in enumerate(FEATURES):
        if feature.window is not None:
            assert assembly.vector[0, column] == np.float32(feature.default), feature.name


def test_stale_state_is_not_used() -> None:
    """State past its time to live gives defaults, is named, and degrades the answer."""
    late = NOW + timedelta(days=30)
    assembly = assemble([record("a", late, "u1", "m1")], [stored("u1", "m1")])
    assert USER_HISTORY_STATE.name in assembly.health[0].stale
    assert assembly.health[0].degraded
    assert assembly.vector[0, FEATURE_NAMES.index("total_transactions")] == 0


def test_without_the_store_only_the_request_speaks() -> None:
    """A store that cannot be read degrades every answer and calls nothing missing."""
    assembly = assemble_without_state([record("a", NOW, amount_minor=1_250), record("b", NOW)])
    assert [one.degraded for one in assembly.health] == [True, True]
    assert assembly.health[0].missing == ()
    assert assembly.row(0)["amount"] == 12.5
    assert np.isfinite(assembly.vector).all()


def test_each_row_is_its_own() -> None:
    """Rows of one batch do not see one another."""
    records = [record(f"r{i}", NOW + i * timedelta(minutes=1), "u1", "m2") for i in range(5)]
    states = [stored("u1", "m2")] * 5
    together = assemble(records, states)
    for index, one in enumerate(records):
        alone = assemble([one], states[:1])
        np.testing.assert_array_equal(together.vector[index], alone.vector[0])


def test_a_transaction_alone_is_assembled_as_among_many() -> None:
    """Few transactions take another way through the formulas, which ends at the same bits."""
    names = [("u1", "m1"), ("u2", "m1"), ("nobody", "m2"), ("u1", "nowhere"), ("u3", "m2")] * 3
    records = [record(f"t{n}", NOW, *pair, 1 + 7_919 * n) for n, pair in enumerate(names)]
    states = [stored(*pair) for pair in names]
    together = assemble(records, states)
    for index, (one, state) in enumerate(zip(records, states, strict=True)):
        alone = assemble([one], [state])
        np.testing.assert_array_equal(alone.table[0], together.table[index])
        np.testing.assert_array_equal(alone.vector[0], together.vector[index])
        assert alone.row(0).keys() == together.values.keys()
