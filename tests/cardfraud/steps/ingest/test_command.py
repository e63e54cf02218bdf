import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from cardfraud.contracts import keys
from cardfraud.steps.ingest.__main__ import main
from cardfraud_pipelines.local import Endpoints
from tests.support.stores import object_store

MAPPING = """
columns: {transaction_id: id, event_time: at, user_id: card, merchant_id: shop, amount: value}
"""
CSV = (
    "id,at,card,shop,value\nt1,2024-03-01T12:00:00Z,c1,s1,12.50\nt2,2024-03-01T13:00:00Z,c2,s1,5\n"
)


def store_variables(endpoints: Endpoints) -> dict[str, str]:
    """Return the environment in which a command finds the store."""
    return {
        "CARDFRAUD_S3_BUCKET": endpoints.bucket,
        "CARDFRAUD_S3_ENDPOINT_URL": endpoints.s3_url,
        "CARDFRAUD_S3_ACCESS_KEY_ID": endpoints.s3_access_key,
        "CARDFRAUD_S3_SECRET_ACCESS_KEY": endpoints.s3_secret_key,
        "CARDFRAUD_S3_ATTEMPTS": "1",
    }


def table(folder: Path, content: str = CSV) -> list[str]:
    """Write a CSV and its mapping; return the arguments that name them."""
    (folder / "rows.csv").write_text(content)
    (folder / "mapping.yaml").write_text(MAPPING)
    return [
        "--source.kind=table",
        f"--source.path={folder / 'rows.csv'}",
        f"--source.mapping={folder / 'mapping.yaml'}",
    ]


def test_the_command_ingests_a_csv(endpoints: Endpoints, tmp_path: Path) -> None:
    """The command reads a CSV by its mapping and prints the result as one JSON document."""
    done = subprocess.run(
        [sys.executable, "-m", "cardfraud.steps.ingest", *table(tmp_path)],
        env=os.environ | store_variables(endpoints),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["kept"] == 2
    store = object_store(endpoints)
    (key,) = store.keys(keys.RAW_TRANSACTIONS)
    rows = store.get_frame(key)
    assert rows["amount_minor"].to_list() == [1_250, 500]
    assert rows["segment"].to_list() == ["new", "new"]


@pytest.fixture
def main_here(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    """Put the store's settings into this process's environment, for ``main``."""
    for name, value in store_variables(endpoints).items():
        monkeypatch.setenv(name, value)
    return endpoints


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV.replace("value", "price"), "columns missing: value"),
        ("", "is empty"),
        (CSV.splitlines()[0], "has no rows"),
    ],
    ids=["missing column", "empty", "no rows"],
)
def test_a_bad_file_ends_the_command(
    main_here: Endpoints,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    message: str,
) -> None:
    """A file that can't be used ends with status 1 and a sentence with its name, and no result."""
    assert main(table(tmp_path, content)) == 1
    output = capsys.readouterr()
    assert "rows.csv" in output.err
    assert message in output.err
    assert output.out == ""
    assert list(object_store(main_here).keys("raw/")) == []


def test_a_truncated_parquet_ends_the_command(
    main_here: Endpoints, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A handbook day that was cut off ends with status 1 and the file's name."""
    path = tmp_path / "2018-04-01.parquet"
    pl.DataFrame({"TRANSACTION_ID": range(1_000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["--source.kind=handbook", f"--source.path={tmp_path}"]) == 1
    assert "2018-04-01.parquet: cannot be read" in capsys.readouterr().err


def test_a_setting_that_cannot_be_meant_ends_the_command(
    main_here: Endpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    """A setting that its model refuses ends with a message that names it."""
    assert main(["--source.kind=simulator", "--source.settings.users=-5"]) == 1
    assert "users" in capsys.readouterr().err


def test_a_store_that_is_down_ends_the_command(
    main_here: Endpoints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without an object store the command ends with status 1 and says where it looked."""
    monkeypatch.setenv("CARDFRAUD_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    assert main(table(tmp_path)) == 1
    assert "object store http://127.0.0.1:9 is unavailable" in capsys.readouterr().err
