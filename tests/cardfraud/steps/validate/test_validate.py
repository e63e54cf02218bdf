import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cardfraud.adapters.object_store import ObjectStore, encode_frame
from cardfraud.contracts import keys
from cardfraud.contracts.digests import sha256_hex
from cardfraud.contracts.frames import TRANSACTION_SCHEMA
from cardfraud.contracts.raw import RawManifest, RawObject
from cardfraud.contracts.sources import Extract
from cardfraud.errors import DataRejected, NotFound, Unavailable
from cardfraud.simulation import SimulationSettings, Simulator
from cardfraud.steps import ingest
from cardfraud.steps.validate import Limits, ValidateConfig, run
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store
from tests.support.transactions import DAY, NOON, TableSource, labels_of, one_day, transactions

NOW = datetime(2024, 6, 1, tzinfo=UTC)
CONFIG = ValidateConfig(now=NOW)
LENIENT = ValidateConfig(now=NOW, limits=Limits(max_quarantine_share=1))
RAW = keys.partition(keys.RAW_TRANSACTIONS, DAY)
LABELS = keys.partition(keys.RAW_LABELS, DAY)
VALIDATED = keys.partition(keys.VALIDATED_TRANSACTIONS, DAY)
QUARANTINE = keys.partition(keys.QUARANTINE_TRANSACTIONS, DAY)


@pytest.fixture
def store(endpoints: Endpoints) -> ObjectStore:
    """Return a store on a fresh bucket."""
    return object_store(endpoints)


def fill(store: ObjectStore, rows: list[dict[str, Any]], **extract: Any) -> pl.DataFrame:
    """Ingest one day of such rows; return them."""
    table = transactions(rows)
    ingest.run(ingest.IngestConfig(ingested_at=NOW), one_day(table, **extract), store)
    return table


def rewrite(store: ObjectStore, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Replace the raw rows as another writer would, with a manifest that is in step."""
    content = encode_frame(change(store.get_frame(RAW)))
    store.put(RAW, content)
    manifest = RawManifest.model_validate_json(store.get(keys.raw_manifest(DAY)))
    objects = {**manifest.objects, RAW: RawObject(sha256=sha256_hex(content), rows=1)}
    changed = manifest.model_copy(update={"objects": objects})
    store.put(keys.raw_manifest(DAY), changed.model_dump_json().encode())


def test_good_rows_are_validated(store: ObjectStore) -> None:
    """Good rows become a validated partition in canonical columns, and nothing is quarantined."""
    rows = fill(store, [{}] * 50)
    result = run(CONFIG, store)
    assert result.accepted
    assert (result.rows_in, result.kept, result.quarantined) == (50, 50, 0)
    validated = store.get_frame(VALIDATED)
    assert list(validated.columns) == list(TRANSACTION_SCHEMA)
    assert_frame_equal(validated, rows.sort("event_time", "transaction_id"))
    assert not store.exists(QUARANTINE)


def test_rows_in_are_rows_kept_and_rows_in_quarantine(store: ObjectStore) -> None:
    """Bad rows go to the quarantine with their reasons, and no row is in both or in neither."""
    bad: list[dict[str, Any]] = [
        {"amount_minor": -1},
        {"amount_minor": None},
        {"user_id": "4111111111111111"},
        {"currency": "USD", "merchant_id": ""},
    ]
    fill(store, [*[{}] * 46, *bad])
    result = run(LENIENT, store)
    kept, quarantined = store.get_frame(VALIDATED), store.get_frame(QUARANTINE)
    assert result.rows_in == len(kept) + len(quarantined) == 50
    assert not set(kept["transaction_id"]) & set(quarantined["transaction_id"])
    assert quarantined["reason"].null_count() == 0
    assert dict(result.reasons) == {
        "amount_minor: not in 0 to 1000000": 1,
        "amount_minor: missing": 1,
        "user_id: looks like a card number": 1,
        "currency: not EUR": 1,
        "merchant_id: not printable ASCII, or a blank at an end": 1,
    }


def test_running_twice_gives_the_same_bytes(store: ObjectStore) -> None:
    """A second run over the same raw data leaves every object as it was, the report too."""
    fill(store, [*[{}] * 20, {"amount_minor": -1}])
    run(LENIENT, store)
    before = {key: store.get(key) for key in store.keys("")}
    run(LENIENT, store)
    assert {key: store.get(key) for key in store.keys("")} == before


def test_a_mended_day_leaves_the_quarantine(store: ObjectStore) -> None:
    """When a day's rows are mended, its quarantine of the earlier run is removed."""
    fill(store, [*[{}] * 20, {"amount_minor": -1}])
    run(LENIENT, store)
    assert store.exists(QUARANTINE)
    fill(store, [{}] * 21)
    assert run(CONFIG, store).quarantined == 0
    assert not store.exists(QUARANTINE)


def test_a_future_time_is_quarantined(store: ObjectStore) -> None:
    """A row that claims to come from the future goes to the quarantine."""
    fill(store, [{}] * 20)
    early = ValidateConfig(now=NOON + timedelta(minutes=10), limits=LENIENT.limits)
    result = run(early, store)
    # Minutes 0 to 15 lie within the allowance of five minutes.
    assert (result.kept, dict(result.reasons)) == (16, {"event_time: in the future": 4})


def test_an_identifier_of_another_day_is_a_conflict(store: ObjectStore) -> None:
    """The same identifier on two days: the earlier row is kept, the later one set aside."""
    first = transactions([{}] * 10)
    later = first.with_columns(pl.col("event_time") + timedelta(days=1))
    days = {
        DAY: Extract(first, labels_of(first)),
        DAY + timedelta(days=1): Extract(later, labels_of(later)),
    }
    ingest.run(ingest.IngestConfig(), TableSource(days), store)
    result = run(LENIENT, store)
    assert dict(result.reasons) == {"conflicting_duplicate": 10}
    assert [day.kept for day in result.days] == [10, 0]


def test_what_ingestion_set_aside_counts(store: ObjectStore) -> None:
    """Rows that ingestion set aside count towards the share of what cannot be used."""
    fill(store, [*[{}] * 50, {"transaction_id": "t1", "amount_minor": 77}])
    with pytest.raises(DataRejected, match=r"1\.96% of the rows cannot be used") as caught:
        run(CONFIG, store)
    assert caught.value.status == 422
    assert not store.exists(VALIDATED)


def test_too_many_bad_rows_stop_the_run(store: ObjectStore) -> None:
    """More than one per cent in quarantine: nothing is validated, the quarantine is there."""
    fill(store, [*[{}] * 98, {"amount_minor": -1}, {"amount_minor": -1}])
    with pytest.raises(DataRejected) as caught:
        run(CONFIG, store)
    assert "2.00% of the rows cannot be used, more than 1.00%" in caught.value.failures
    assert f"s3://{store.bucket}/reports/validation/" in caught.value.hint
    assert not store.exists(VALIDATED)
    assert len(store.get_frame(QUARANTINE)) == 2
    report = json.loads(store.get(f"{keys.VALIDATION_REPORTS}/{DAY}_{DAY}.json"))
    assert report["accepted"] is False
    assert run(ValidateConfig(now=NOW, limits=Limits(max_quarantine_share=0.02)), store).accepted


@pytest.mark.parametrize(
    ("amounts", "sentence"),
    [
        ([500] * 50, "the mean of the amounts is 5.00"),
        ([5_000] * 50, "the standard deviation of the amounts is 0.00"),
        ([0, 10_000_000] * 25, "the mean of the amounts is 50,000.00"),
    ],
)
def test_moments_out_of_bounds_stop_the_run(
    store: ObjectStore, amounts: list[int], sentence: str
) -> None:
    """Amounts in the wrong unit, or all the same, stop the run with the figure."""
    fill(store, [{"amount_minor": amount} for amount in amounts])
    with pytest.raises(DataRejected, match=sentence):
        run(CONFIG, store)


def test_no_rows_stop_the_run(store: ObjectStore) -> None:
    """No raw day, none in the range, or days without a row: the run says what to do first."""
    with pytest.raises(DataRejected, match="there are no rows") as caught:
        run(CONFIG, store)
    assert "ingest" in caught.value.hint
    fill(store, [{}])
    with pytest.raises(DataRejected, match="no rows of 2025-01-01"):
        run(ValidateConfig(now=NOW, start=date(2025, 1, 1)), store)
    fill(store, [])
    with pytest.raises(DataRejected, match="there are no rows"):
        run(CONFIG, store)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda rows: rows.drop("amount_minor"), "column amount_minor is missing"),
        (lambda rows: rows.with_columns(colour=1), "column colour is unknown"),
        (
            lambda rows: rows.with_columns(pl.col("amount_minor").cast(pl.Float64)),
            "column amount_minor is Float64 instead of Int64",
        ),
        (
            lambda rows: rows.with_columns(pl.col("event_time").cast(pl.Datetime("ns", "UTC"))),
            "column event_time is Datetime",
        ),
    ],
    ids=["missing", "unknown", "type", "nanoseconds"],
)
def test_raw_data_in_other_columns_stops_the_run(
    store: ObjectStore, damage: Callable[[pl.DataFrame], pl.DataFrame], sentence: str
) -> None:
    """Raw rows that another writer left in other columns stop the run by the column's name."""
    fill(store, [{}] * 20)
    rewrite(store, damage)
    with pytest.raises(DataRejected, match=sentence) as caught:
        run(CONFIG, store)
    assert RAW in caught.value.failures[0]
    assert not store.exists(VALIDATED)


def test_every_unusable_day_is_told(store: ObjectStore) -> None:
    """A truncated, a changed, a lost, an incomplete and a wrong day are all told in one error."""
    settings = SimulationSettings(start=DAY, days=5, users=50, merchants=50)
    ingest.run(ingest.IngestConfig(ingested_at=NOW), Simulator(settings), store)
    raw = [keys.partition(keys.RAW_TRANSACTIONS, DAY + timedelta(days=n)) for n in range(5)]
    store.put(raw[0], store.get(raw[0])[:-50])
    store.put(raw[1], encode_frame(store.get_frame(raw[1]).head(3)))
    store.delete(raw[2])
    store.delete(keys.raw_manifest(DAY + timedelta(days=3)))
    store.put(raw[4], b"no parquet")
    last = keys.raw_manifest(DAY + timedelta(days=4))
    manifest = RawManifest.model_validate_json(store.get(last))
    wrong = RawObject(sha256=sha256_hex(b"no parquet"), rows=1)
    objects = {**manifest.objects, raw[4]: wrong}
    changed_manifest = manifest.model_copy(update={"objects": objects})
    store.put(last, changed_manifest.model_dump_json().encode())
    with pytest.raises(DataRejected) as caught:
        run(CONFIG, store)
    truncated, changed, lost, incomplete, unreadable = caught.value.failures
    assert raw[0] in truncated
    assert "ingest again" in truncated
    assert f"{raw[4]}: cannot be read as Parquet" in unreadable
    assert raw[1] in changed
    assert "ingest again" in changed
    assert raw[2] in lost
    assert "2024-03-04" in incomplete


def test_a_missing_day_stops_the_run(store: ObjectStore) -> None:
    """A day between two others that has no data is told, unless gaps are allowed."""
    settings = SimulationSettings(start=DAY, days=3, users=50, merchants=50)
    simulator = Simulator(settings)
    for day in (DAY, DAY + timedelta(days=2)):
        ingest.run(ingest.IngestConfig(start=day, end=day), simulator, store)
    with pytest.raises(DataRejected, match="there is no data of 2024-03-02"):
        run(CONFIG, store)
    assert run(ValidateConfig(now=NOW, limits=Limits(allow_gaps=True)), store).accepted


def test_a_day_of_nothing_but_rejects_counts(store: ObjectStore) -> None:
    """Rows that ingestion rejected count also where a day, or the run, has no other row."""
    rejects = pl.DataFrame(
        {"row": [0], "transaction_id": ["t9"], "reason": ["amount: no"], "detail": ["v=x"]}
    )
    rows, none = transactions([{}] * 20), transactions([])
    days = {
        DAY: Extract(rows, labels_of(rows)),
        DAY + timedelta(days=1): Extract(none, labels_of(none), rejects),
    }
    ingest.run(ingest.IngestConfig(), TableSource(days), store)
    with pytest.raises(DataRejected) as caught:
        run(CONFIG, store)
    assert list(caught.value.failures) == [
        "4.76% of the rows cannot be used, more than 1.00%",
        "2024-03-02 has 0 rows, outside 1 to 10,000,000",
    ]
    last = DAY + timedelta(days=1)
    with pytest.raises(DataRejected, match=r"100\.00% of the rows cannot be used"):
        run(ValidateConfig(now=NOW, start=last), store)
    report = json.loads(store.get(f"{keys.VALIDATION_REPORTS}/{last}_{last}.json"))
    assert (report["rows_in"], report["set_aside"]) == (0, 1)


def test_keys_of_others_are_passed_over(store: ObjectStore) -> None:
    """Objects that somebody left between the partitions change nothing and stay."""
    fill(store, [*[{}] * 20, {"amount_minor": -1}])
    strays = [
        "raw/transactions/readme.txt",
        "raw/transactions/date=nonsense/x.parquet",
        "raw/_manifest/readme.txt",
        "quarantine/transactions/readme.txt",
    ]
    for key in strays:
        store.put(key, b"hello")
    assert run(LENIENT, store).rows_in == 21
    assert all(store.get(key) == b"hello" for key in strays)


def test_a_part_of_the_days(store: ObjectStore) -> None:
    """Start and end are inclusive, other days are left alone, and progress is told."""
    settings = SimulationSettings(start=DAY, days=5, users=50, merchants=50)
    ingest.run(ingest.IngestConfig(), Simulator(settings), store)
    told: list[tuple[int, int]] = []
    config = ValidateConfig(now=NOW, start=DAY + timedelta(days=1), end=DAY + timedelta(days=2))
    result = run(config, store, progress=lambda done, total: told.append((done, total)))
    assert [day.day for day in result.days] == [DAY + timedelta(days=n) for n in (1, 2)]
    assert told == [(1, 2), (2, 2)]
    assert len(list(store.keys(keys.VALIDATED_TRANSACTIONS))) == 2


class Page(HTMLParser):
    """Collects what a page would fetch, its texts and its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.texts: list[str] = []
        self.pictures = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an address or a picture."""
        self.pictures += tag == "svg"
        self.fetched += [
            value
            for name, value in attrs
            if name in {"src", "href", "xlink:href"} and value and not value.startswith("#")
        ]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)


def test_the_report_stands_alone(store: ObjectStore) -> None:
    """The page has pictures, the counts and the reasons, and fetches nothing."""
    fill(store, [*[{}] * 1_233, {"currency": "U<b>D"}])
    result = run(LENIENT, store)
    page = Page()
    page.feed(store.get(result.report_html).decode())
    text = " ".join(page.texts)
    assert page.fetched == []
    assert page.pictures == 3
    assert "1,234" in text
    assert "currency: not EUR" in text
    document = json.loads(store.get(result.report_json))
    assert document == json.loads(result.model_dump_json())


def test_labels_are_counted(store: ObjectStore) -> None:
    """The result has the number of labels and the share of frauds by the latest revision."""
    rows = transactions([{}] * 20)
    labels = labels_of(rows)
    revised = labels.head(5).with_columns(
        is_fraud=pl.lit(value=True), revision=pl.lit(1, dtype=pl.Int32)
    )
    extract = Extract(rows, pl.concat([revised, labels]))
    ingest.run(ingest.IngestConfig(), TableSource({DAY: extract}), store)
    result = run(CONFIG, store)
    assert (result.labels, result.fraud_share) == (25, 0.25)


def test_a_store_that_is_down_or_empty_is_told(endpoints: Endpoints) -> None:
    """Without an object store, or without the bucket, the error says which."""
    settings = object_store(endpoints).settings
    with pytest.raises(NotFound, match="bucket 'nowhere'"):
        run(CONFIG, ObjectStore(settings.model_copy(update={"bucket": "nowhere"})))
    down = settings.model_copy(update={"endpoint_url": "http://127.0.0.1:9", "attempts": 1})
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        run(CONFIG, ObjectStore(down))


def test_the_command_tells_its_result_and_its_errors(
    endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints the result as JSON, or an error with status 1 and nothing else."""
    from cardfraud.steps.validate.__main__ import main

    for name, value in (
        ("BUCKET", endpoints.bucket),
        ("ENDPOINT_URL", endpoints.s3_url),
        ("ACCESS_KEY_ID", endpoints.s3_access_key),
        ("SECRET_ACCESS_KEY", endpoints.s3_secret_key),
    ):
        monkeypatch.setenv(f"CARDFRAUD_S3_{name}", value)
    assert main([]) == 1
    output = capsys.readouterr()
    assert "there are no rows" in output.err
    assert output.out == ""
    fill(object_store(endpoints), [{}] * 20)
    capsys.readouterr()
    assert main(["--now=2024-06-01T00:00:00Z", "--limits.max-quarantine-share=0.5"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 20
