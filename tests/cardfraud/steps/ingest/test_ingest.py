from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from pydantic import ValidationError

from cardfraud.adapters.object_store import ObjectStore, decode_frame, encode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.frames import TRANSACTION_SCHEMA
from cardfraud.contracts.raw import RawManifest, RawObject
from cardfraud.contracts.sources import Extract
from cardfraud.errors import DataRejected, InvalidFrame, NotFound, Unavailable
from cardfraud.simulation import SimulationSettings, Simulator
from cardfraud.steps.ingest import IngestConfig, run
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store
from tests.support.transactions import (
    DAY,
    NOON,
    TableSource,
    labels_of,
    one_day,
    transactions,
)

THEN = datetime(2024, 6, 1, tzinfo=UTC)
LATER = datetime(2024, 6, 2, tzinfo=UTC)
RAW = keys.partition(keys.RAW_TRANSACTIONS, DAY)
LABELS = keys.partition(keys.RAW_LABELS, DAY)
QUARANTINE = keys.partition(keys.QUARANTINE_INGEST, DAY)
MANIFEST = keys.raw_manifest(DAY)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store on a fresh bucket."""
    return object_store(endpoints)


def everything(store: ObjectStore) -> dict[str, bytes]:
    """Return every object of the bucket."""
    return {key: store.get(key) for key in store.keys("")}


def test_a_day_is_written_whole(store: ObjectStore) -> None:
    """A day becomes transactions, labels and a manifest that has their checksums and counts."""
    result = run(IngestConfig(ingested_at=THEN), one_day(transactions([{}] * 20)), store)
    assert sorted(store.keys("raw/")) == sorted([RAW, LABELS, MANIFEST, keys.RAW_USERS])
    rows = store.get_frame(RAW)
    assert rows.columns == [*TRANSACTION_SCHEMA, "ingested_at"]
    assert rows["ingested_at"].unique().to_list() == [THEN]
    manifest = RawManifest.model_validate_json(store.get(MANIFEST))
    assert manifest.objects[RAW].sha256 == sha256_hex(store.get(RAW))
    assert manifest.objects[LABELS].sha256 == sha256_hex(store.get(LABELS))
    assert manifest.counts == result.counts
    assert (result.counts.rows_in, result.counts.kept, result.counts.labels) == (20, 20, 20)
    assert (result.written, result.unchanged, result.users) == (1, 0, 7)


def test_a_day_run_twice_is_the_same_day(store: ObjectStore) -> None:
    """A second run at another time leaves every byte of every object as it was."""
    settings = SimulationSettings(days=3, users=200, merchants=200)
    first = run(IngestConfig(ingested_at=THEN), Simulator(settings), store)
    before = everything(store)
    second = run(IngestConfig(ingested_at=LATER), Simulator(settings), store)
    assert everything(store) == before
    assert (first.written, first.unchanged) == (3, 0)
    assert (second.written, second.unchanged) == (0, 3)
    assert second.counts == first.counts


def test_two_buckets_get_the_same_bytes(store: ObjectStore) -> None:
    """The same source and time give the same bytes in a bucket that is empty."""
    rows = transactions([{}] * 20)
    run(IngestConfig(ingested_at=THEN), one_day(rows), store)
    before = everything(store)
    for key in before:
        store.delete(key)
    run(IngestConfig(ingested_at=THEN), one_day(rows), store)
    assert everything(store) == before


def test_a_lost_object_comes_back_as_it_was(store: ObjectStore) -> None:
    """When an object was deleted, the next run writes it again with the same bytes."""
    source = one_day(transactions([{}] * 20))
    run(IngestConfig(ingested_at=THEN), source, store)
    before = everything(store)
    store.delete(LABELS)
    result = run(IngestConfig(ingested_at=LATER), source, store)
    assert everything(store) == before
    assert result.written == 1


def half(content: bytes) -> bytes:
    """Cut an object in half."""
    return content[: len(content) // 2]


def fewer(content: bytes) -> bytes:
    """Write a table again with a row less."""
    return encode_frame(decode_frame(content, "").head(-1))


@pytest.mark.parametrize("key", [RAW, LABELS, QUARANTINE])
@pytest.mark.parametrize("damage", [half, fewer])
@pytest.mark.parametrize("in_step", [False, True], ids=["object", "manifest-too"])
def test_a_damaged_object_comes_back_as_it_was(
    store: ObjectStore, key: str, damage: Callable[[bytes], bytes], *, in_step: bool
) -> None:
    """A damaged object is written again with the same bytes, whatever the manifest says of it."""
    rows = transactions([{}] * 20)
    source = one_day(pl.concat([rows, rows.with_columns(currency=pl.lit("USD"))]))
    run(IngestConfig(ingested_at=THEN), source, store)
    before = everything(store)
    store.put(key, damage(before[key]))
    if in_step:
        manifest = RawManifest.model_validate_json(before[MANIFEST])
        damaged = RawObject(sha256=sha256_hex(store.get(key)), rows=1)
        changed = manifest.model_copy(update={"objects": {**manifest.objects, key: damaged}})
        store.put(MANIFEST, changed.model_dump_json(indent=2).encode())
    assert run(IngestConfig(ingested_at=LATER), source, store).written == 1
    assert everything(store) == before
    assert run(IngestConfig(ingested_at=LATER), source, store).unchanged == 1


def test_a_day_of_nothing_but_rejects_is_kept(store: ObjectStore) -> None:
    """A day whose rows are all rejects is written: empty, its rejects set aside and counted."""
    rejects = pl.DataFrame(
        {"row": [0], "transaction_id": ["t9"], "reason": ["amount: no"], "detail": ["v=x"]}
    )
    counts = run(IngestConfig(), one_day(transactions([]), rejects=rejects), store).counts
    assert (counts.rows_in, counts.kept, counts.set_aside) == (1, 0, 1)
    assert store.get_frame(RAW).is_empty()
    assert store.get_frame(QUARANTINE)["transaction_id"].to_list() == ["t9"]


def test_a_changed_day_is_written_anew(store: ObjectStore) -> None:
    """A late row or a new label changes the day: it is written again with the new time."""
    rows = transactions([{}] * 20)
    run(IngestConfig(ingested_at=THEN), one_day(rows.head(19)), store)
    run(IngestConfig(ingested_at=LATER), one_day(rows), store)
    assert len(store.get_frame(RAW)) == 20
    assert store.get_frame(RAW)["ingested_at"].unique().to_list() == [LATER]
    revised = labels_of(rows).with_columns(is_fraud=pl.col("transaction_id") == "t3")
    result = run(IngestConfig(), TableSource({DAY: Extract(rows, revised)}), store)
    assert result.written == 1
    assert store.get_frame(LABELS)["is_fraud"].sum() == 1


class DyingStore(ObjectStore):
    """A store whose writer dies when it comes to the labels."""

    def put(self, key: str, content: bytes) -> str:
        """Write, unless it is the labels."""
        if key.startswith(keys.RAW_LABELS):
            message = "killed"
            raise KeyboardInterrupt(message)
        return super().put(key, content)


def test_a_day_cut_off_has_no_manifest(store: ObjectStore) -> None:
    """When the writer dies between two objects the day has no manifest, and a rerun mends it."""
    rows = transactions([{}] * 20)
    run(IngestConfig(ingested_at=THEN), one_day(rows.head(19)), store)
    with pytest.raises(KeyboardInterrupt):
        run(IngestConfig(ingested_at=LATER), one_day(rows), DyingStore(store.settings))
    assert not store.exists(MANIFEST)
    run(IngestConfig(ingested_at=LATER), one_day(rows), store)
    manifest = RawManifest.model_validate_json(store.get(MANIFEST))
    assert manifest.objects[RAW].sha256 == sha256_hex(store.get(RAW))


def test_no_row_is_lost(store: ObjectStore) -> None:
    """Repetitions are counted, contradictions and rejects set aside, and the counts add up."""
    rows = transactions([{}] * 5)
    contradiction = rows.head(1).with_columns(amount_minor=pl.lit(1, dtype=pl.Int64))
    rejects = pl.DataFrame(
        {"row": [8], "transaction_id": ["t9"], "reason": ["amount: no"], "detail": ["v=x"]}
    )
    source = one_day(pl.concat([rows, rows.tail(2), contradiction]), rejects=rejects)
    counts = run(IngestConfig(ingested_at=THEN), source, store).counts
    assert counts.rows_in == 9
    assert (counts.kept, counts.duplicates, counts.set_aside) == (5, 2, 2)
    aside = store.get_frame(QUARANTINE)
    assert aside.select("transaction_id", "reason", "detail").rows() == [
        ("t0", "conflicting_duplicate", ""),
        ("t9", "amount: no", "v=x"),
    ]
    assert store.get_frame(RAW)["amount_minor"][0] == rows["amount_minor"][0]
    assert len(store.get_frame(LABELS)) == 5


def test_a_mended_source_empties_the_quarantine(store: ObjectStore) -> None:
    """When a source no longer contradicts itself, what was set aside goes away."""
    rows = transactions([{}] * 5)
    spoiled = pl.concat([rows, rows.with_columns(currency=pl.lit("USD"))])
    run(IngestConfig(), one_day(spoiled), store)
    assert len(store.get_frame(QUARANTINE)) == 5
    run(IngestConfig(), one_day(rows), store)
    assert not store.exists(QUARANTINE)


def test_out_of_order_is_counted_and_sorted(store: ObjectStore) -> None:
    """Rows that come late are normal: they are counted, and written in order of time and id."""
    minutes = [0, 5, 3, 4, 5, 9]
    rows = transactions(
        [
            {"transaction_id": f"t{9 - n}", "event_time": NOON + timedelta(minutes=minute)}
            for n, minute in enumerate(minutes)
        ]
    )
    counts = run(IngestConfig(), one_day(rows), store).counts
    assert counts.out_of_order == 2
    written = store.get_frame(RAW).select("event_time", "transaction_id").rows()
    assert written == sorted(written)


def test_labels_keep_every_revision(store: ObjectStore) -> None:
    """All revisions of a label are kept; the same revision twice is kept once."""
    rows = transactions([{}])
    labels = labels_of(rows)
    second = labels.with_columns(is_fraud=pl.lit(value=True), revision=pl.lit(1, dtype=pl.Int32))
    extract = Extract(rows, pl.concat([second, labels, labels]))
    run(IngestConfig(), TableSource({DAY: extract}), store)
    written = store.get_frame(LABELS)
    assert written["revision"].to_list() == [0, 1]
    assert written["is_fraud"].to_list() == [False, True]


def test_only_the_days_asked_for_are_written(store: ObjectStore) -> None:
    """Start and end are inclusive, and progress is told for each day."""
    simulator = Simulator(SimulationSettings(start=DAY, days=5, users=50, merchants=50))
    told: list[tuple[int, int]] = []
    config = IngestConfig(start=DAY + timedelta(days=1), end=DAY + timedelta(days=3))
    run(config, simulator, store, progress=lambda done, total: told.append((done, total)))
    written = [keys.partition_day(key) for key in store.keys(keys.RAW_MANIFESTS)]
    assert written == [DAY + timedelta(days=n) for n in (1, 2, 3)]
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_range_without_days_is_rejected(store: ObjectStore) -> None:
    """A range in which the source has nothing is rejected in a sentence with the range."""
    with pytest.raises(DataRejected, match="no day from 2031-01-01 to the last"):
        run(IngestConfig(start=date(2031, 1, 1)), one_day(transactions([{}])), store)
    with pytest.raises(ValidationError, match="must not lie before"):
        IngestConfig(start=date(2031, 1, 2), end=date(2031, 1, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (pl.DataFrame.clear, ""),
        (lambda rows: rows.drop("currency"), "column currency is missing"),
        (lambda rows: rows.with_columns(colour=1), "column colour is unknown"),
        (
            lambda rows: rows.with_columns(pl.col("amount_minor").cast(pl.Float64)),
            "column amount_minor is Float64 instead of Int64",
        ),
    ],
    ids=["empty", "missing", "unknown", "type"],
)
def test_a_source_hands_over_canonical_columns(
    store: ObjectStore, spoil: object, message: str
) -> None:
    """A canonical table with a missing, unknown or mistyped column is refused by name."""
    assert callable(spoil)
    source = one_day(transactions([{}]))
    days = {DAY: Extract(spoil(source.read(DAY).transactions), source.read(DAY).labels)}
    if not message:
        # A quiet day is a day: nothing happened, and the validation judges the volume.
        assert run(IngestConfig(), TableSource(days), store).counts.kept == 0
        return
    with pytest.raises(InvalidFrame, match=message) as caught:
        run(IngestConfig(), TableSource(days), store)
    assert "table 2024-03-01, transactions" in caught.value.message
    assert not store.exists(MANIFEST)


def test_a_store_that_is_down_or_empty_is_told(endpoints: Endpoints) -> None:
    """Without an object store, or without the bucket, the error says which."""
    source = one_day(transactions([{}]))
    settings = object_store(endpoints).settings
    with pytest.raises(NotFound, match="bucket 'nowhere'"):
        run(IngestConfig(), source, ObjectStore(settings.model_copy(update={"bucket": "nowhere"})))
    down = settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9", "attempts": 1})
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        run(IngestConfig(), source, ObjectStore(down))


def test_a_damaged_manifest_is_replaced(store: ObjectStore) -> None:
    """A manifest that can't be read counts as none: the day is written again."""
    source = one_day(transactions([{}]))
    run(IngestConfig(ingested_at=THEN), source, store)
    store.put(MANIFEST, b"{}")
    assert run(IngestConfig(ingested_at=THEN), source, store).written == 1
    assert RawManifest.model_validate_json(store.get(MANIFEST)).day == DAY
