"""A day of traffic through the real servers, made again by the command line."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from cardfraud.adapters.prediction_log import read_predictions
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.telemetry import hashed
from cardfraud_pipelines.cli import app
from tests.cardfraud_inference.clients import instance, predicted
from tests.cardfraud_inference.conftest import Serving
from tests.cardfraud_inference.waiting import until
from tests.support.servers import LOG_KEY
from tests.support.serving_state import NOW

PER_REQUEST = 40
REQUESTS = 12


def days() -> DayRange:
    """Today and yesterday, should midnight come in between."""
    today = datetime.now(UTC).date()
    return DayRange(start=today - timedelta(days=1), end=today)


def serve_a_day(serving: Serving) -> list[str]:
    """Ask about a day of transactions, some of which fire a rule or find no state."""
    random, ids = np.random.default_rng(11), []
    for request in range(REQUESTS):
        instances = [
            instance(
                transaction_id=f"day-{request}-{place}",
                event_time=(NOW + timedelta(hours=2 * request, seconds=place)).isoformat(),
                user_id=str(random.choice(["u1", "u2", "nobody"])),
                merchant_id=str(random.choice(["m1", "m2", "nowhere"])),
                amount=round(float(random.lognormal(3.5, 1.8)), 2),
            )
            for place in range(PER_REQUEST)
        ]
        predicted(serving.transformer, *instances)
        ids += [one["transaction_id"] for one in instances]
    return ids


def replay(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run the command on the servers' bucket."""
    for name, value in serving.storage.items():
        if name.startswith("CARDFRAUD_S3_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["--from", str(days().start), "--to", str(days().end)]
    return CliRunner().invoke(app, ["predictions", "replay", *arguments])


def test_a_served_day_comes_out_again(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every score and decision that was served; and one row that somebody changed is found."""
    hashes = {hashed(name, LOG_KEY.encode()) for name in serve_a_day(serving)}

    def rows() -> pl.DataFrame:
        logged = read_predictions(serving.objects, "fraud", days()).frame
        return logged.filter(pl.col("transaction_key").is_in(hashes))

    until(lambda: len(rows()) == REQUESTS * PER_REQUEST)
    assert rows()["decision"].n_unique() > 1
    answer = replay(serving, monkeypatch)
    assert answer.exit_code == 0, answer.output
    cells = dict(
        [cell.strip() for cell in line.split("│")[1:3]]
        for line in answer.output.splitlines()
        if line.startswith("│")
    )
    assert cells["mismatches"] == cells["files set aside"] == "0"
    for again in ("scored again", "decided again"):
        assert int(cells[again].replace(",", "")) >= REQUESTS * PER_REQUEST

    target = rows().row(7, named=True)["transaction_key"]
    for key in serving.objects.keys("predictions/fraud/"):
        content = serving.objects.get(key)
        frame = serving.objects.get_frame(key)
        if target in frame["transaction_key"]:
            changed = pl.when(pl.col("transaction_key") == target).then(1 - pl.col("score"))
            serving.objects.put_frame(key, frame.with_columns(score=changed.otherwise("score")))
            found = replay(serving, monkeypatch)
            serving.objects.put(key, content)
    assert found.exit_code == 1
    assert target in found.output
