import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from cardfraud.adapters.bundles import publish_bundle, publish_policy
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.bundle import MODEL_FILE
from cardfraud.contracts.frames import LABEL_SCHEMA
from cardfraud.contracts.telemetry import ServedDecisions, ServedVersions
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.cli import app
from cardfraud_pipelines.local import Endpoints
from tests.support.bundles import signature
from tests.support.graphs import tiny_files, tiny_policy
from tests.support.predictions import LOG_KEY, SERVED_AT, decisions, write_log
from tests.support.servers import storage_environment
from tests.support.stores import object_store

DAY = SERVED_AT.date()
DAYS = ["--from", str(DAY), "--to", str(DAY)]
KEY_VARIABLE = "CARDFRAUD_TRANSFORMER_PREDICTION_LOG_KEY"


@pytest.fixture
def store(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A bucket, to which the environment leads."""
    for name, value in storage_environment(endpoints, "none").items():
        if name.startswith("CARDFRAUD_S3_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return object_store(endpoints)


def served(store: ObjectStore, ids: str) -> ServedDecisions:
    """Return decisions as a server would take them, with a bundle and a policy that are there."""
    files, policy = tiny_files(), tiny_policy(rules=())
    versions = ServedVersions(
        track="stable",
        bundle=publish_bundle(store, files, "fraud", "tiny").bundle_digest,
        policy=publish_policy(store, "fraud", policy),
        feature_set="sha256:f",
    )
    vector = np.zeros((len(ids), len(signature().inputs)), dtype=np.float32)
    scores = OnnxScorer(files[MODEL_FILE], signature()).score(vector).tolist()
    return dataclasses.replace(
        decisions(ids, versions=versions, scores=scores), vector=vector, rule_values=()
    )


def test_a_log_that_comes_out_again_ends_well(store: ObjectStore) -> None:
    """The table says how many rows were repeated, and the command ends with 0."""
    write_log(store, served(store, "abc"))
    answer = CliRunner().invoke(app, ["predictions", "replay", *DAYS])
    assert answer.exit_code == 0, answer.output
    lines = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in _rows(answer.output)
    }
    assert lines["scored again"] == "3"
    assert lines["of these the very same score"] == "3"
    assert lines["mismatches"] == "0"


def test_a_row_that_somebody_changed_ends_badly(store: ObjectStore) -> None:
    """The row is named, and the command ends with 1."""
    key = write_log(store, served(store, "abc"))
    rows = store.get_frame(key)
    target = rows["transaction_key"][1]
    score = pl.when(pl.col("transaction_key") == target).then(pl.lit(0.9, pl.Float32))
    store.put_frame(key, rows.with_columns(score=score.otherwise("score")))
    answer = CliRunner().invoke(app, ["predictions", "replay", *DAYS])
    assert answer.exit_code == 1
    assert target in answer.output
    assert "0.899999976" in answer.output


def test_a_file_that_cannot_be_read_ends_badly(store: ObjectStore) -> None:
    """What cannot be checked is not taken for right."""
    key = write_log(store, served(store, "abc"))
    store.put(key, b"PAR1")
    answer = CliRunner().invoke(app, ["predictions", "replay", *DAYS])
    assert answer.exit_code == 1
    assert "cannot be read as Parquet" in answer.output


def test_a_replay_of_nothing_ends_badly(store: ObjectStore) -> None:
    """Days without a row have shown nothing, whatever the reason is that there is none."""
    answer = CliRunner().invoke(app, ["predictions", "replay", *DAYS])
    assert answer.exit_code == 1
    assert "no readable row" in answer.output


def test_a_replay_without_a_decision_ends_badly(store: ObjectStore) -> None:
    """Where no row has the values that its rules read, no decision was checked."""
    policy = publish_policy(store, "fraud", tiny_policy())
    block = served(store, "abc")
    versions = dataclasses.replace(block.versions, policy=policy)
    write_log(store, dataclasses.replace(block, versions=versions))
    answer = CliRunner().invoke(app, ["predictions", "replay", *DAYS])
    assert answer.exit_code == 1
    assert "no row has the values of its rules" in answer.output


def label(store: ObjectStore, *frauds: str) -> None:
    """Report frauds, two days after the event."""
    rows = [(name, True, SERVED_AT + timedelta(days=2), 1) for name in frauds]
    frame = pl.DataFrame(rows, schema=LABEL_SCHEMA, orient="row")
    store.put_frame(keys.partition(keys.RAW_LABELS, DAY), frame)


@pytest.mark.parametrize("where", ["environment", "file"])
def test_outcomes_are_counted_by_what_decided(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    """With the key from either place: what settled, the frauds, and what of it was stopped."""
    first = served(store, "ab")
    write_log(store, first, dataclasses.replace(served(store, "c"), decisions=["approve"]))
    write_log(store, dataclasses.replace(served(store, "d"), event_times_us=[2**51]), number=1)
    label(store, "a", "c", "unseen")
    arguments = ["predictions", "outcomes", *DAYS, "--as-of", str(DAY + timedelta(days=30))]
    if where == "file":
        (tmp_path / "key").write_bytes(LOG_KEY + b"\n")
        arguments += ["--key-file", str(tmp_path / "key")]
    else:
        monkeypatch.setenv(KEY_VARIABLE, LOG_KEY.decode())
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    cells = [cell.strip() for cell in next(iter(_rows(answer.output))).split("│")[1:-1]]
    assert cells[0] == "stable"
    assert cells[3:] == ["1", "3", "2", "1", "1", "50.0%", "50.0%"]
    assert "2 settled decisions have a label" in answer.output


OUTCOMES = ["predictions", "outcomes", *DAYS, "--as-of", str(DAY + timedelta(days=30))]


def test_outcomes_with_a_key_that_fits_nothing_end_badly(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another key no decision has a label: that is said, with what it looks like."""
    write_log(store, served(store, "ab"))
    label(store, "a")
    monkeypatch.setenv(KEY_VARIABLE, LOG_KEY[::-1].decode())
    answer = CliRunner().invoke(app, OUTCOMES)
    assert answer.exit_code == 1
    assert "the key is not the one that the log was written with" in answer.output
    monkeypatch.setenv(KEY_VARIABLE, LOG_KEY.decode())
    assert CliRunner().invoke(app, OUTCOMES).exit_code == 0


def test_outcomes_of_a_log_with_an_unreadable_file_end_badly(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read is counted, and the command ends with 1, because some decisions are missing."""
    write_log(store, served(store, "ab"))
    store.put(write_log(store, served(store, "c"), number=1), b"PAR1")
    label(store, "a")
    monkeypatch.setenv(KEY_VARIABLE, LOG_KEY.decode())
    answer = CliRunner().invoke(app, OUTCOMES)
    assert answer.exit_code == 1
    assert "cannot be read as Parquet" in answer.output
    assert "1 settled decisions have a label" in answer.output


def test_without_the_key_nothing_is_read(store: ObjectStore) -> None:
    """The error names the variable; a key is never an argument."""
    answer = CliRunner().invoke(app, ["predictions", "outcomes", *DAYS])
    assert answer.exit_code == 1
    assert KEY_VARIABLE in answer.output


def test_days_in_the_wrong_order_are_refused(store: ObjectStore) -> None:
    """In one line, before anything is read."""
    answer = CliRunner().invoke(
        app, ["predictions", "replay", "--from", "2026-03-02", "--to", "2026-03-01"]
    )
    assert answer.exit_code == 1
    assert answer.output.startswith("error: --to: ")


def _rows(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("│")]
