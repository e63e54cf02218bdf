import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cardfraud_pipelines.cli import app
from tests.house.repository import ROOT

COMMANDS = [
    "demo",
    "simulate",
    "stack",
    "serve",
    "scorecard",
    "bench",
    "ladder",
    "imbalance",
    "repeat",
    "generate",
    "step",
]


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command line in this process."""
    return CliRunner()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, runner: CliRunner) -> None:
    """``--help`` of each command has a sentence and needs no server."""
    answer = runner.invoke(app, [command, "--help"])

    assert answer.exit_code == 0
    assert "Usage:" in answer.output


def test_the_help_lists_every_command(runner: CliRunner) -> None:
    """Nothing is hidden, and this list is complete."""
    names = sorted(
        str(info.name or info.callback.__name__)
        for info in app.registered_commands
        if info.callback
    )

    assert names == sorted(COMMANDS)


def test_an_error_is_one_line_with_a_hint(runner: CliRunner, tmp_path: Path) -> None:
    """A person sees what is wrong and what to do, and no traceback."""
    (tmp_path / "other.parquet").write_bytes(b"")

    answer = runner.invoke(app, ["simulate", "--out", str(tmp_path), "--days", "1"])

    assert answer.exit_code == 1
    assert answer.output.startswith("error: out: ")
    assert "name an empty folder" in answer.output
    assert "Traceback" not in answer.output


@pytest.mark.parametrize("verb", ["fly", "command", "../ingest", "ingest.step"])
def test_an_unknown_step_is_refused(verb: str, runner: CliRunner) -> None:
    """Only the steps can be run as steps."""
    answer = runner.invoke(app, ["step", verb])

    assert answer.exit_code == 2
    assert "there is no step" in answer.output


def test_what_was_simulated_can_be_read_back(runner: CliRunner, tmp_path: Path) -> None:
    """The written files are a source in the handbook's schema, and by their mapping in full."""
    from cardfraud.adapters.sources import MappedTable, handbook, load_mapping

    arguments = ["--days", "3", "--users", "40", "--merchants", "30", "--start", "2026-02-01"]
    answer = runner.invoke(app, ["simulate", "--out", str(tmp_path), *arguments])

    assert answer.exit_code == 0, answer.output
    plain = handbook(tmp_path)
    full = MappedTable(tmp_path, load_mapping(tmp_path / "mapping.yaml"))
    assert plain.days() == full.days()
    assert len(plain.days()) == 3
    day = plain.days()[1]
    rejects = plain.read(day).rejects
    assert rejects is None or rejects.is_empty()
    assert (
        plain.read(day)
        .transactions["amount_minor"]
        .equals(full.read(day).transactions["amount_minor"])
    )
    assert len(plain.read(day).transactions) > 50
    assert full.read(day).transactions["segment"].null_count() == 0
    assert full.read(day).labels["reported_at"].n_unique() > 1


@pytest.mark.parametrize(
    "verb", ["ingest", "validate", "featurize", "train", "evaluate", "publish", "deploy"]
)
def test_every_step_explains_itself(verb: str) -> None:
    """Each verb runs through the command line and its help names the command as it was typed."""
    done = subprocess.run(
        [sys.executable, "-m", "cardfraud_pipelines", "step", verb, "--", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert f"cardfraud step {verb}" in done.stdout
    assert "ForwardRef" not in done.stdout


def test_a_generated_file_that_drifted_is_named_every_time(
    runner: CliRunner, tmp_path: Path
) -> None:
    """Checking writes nothing: it fails again and again until the file is generated anew."""
    assert runner.invoke(app, ["generate", "--root", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, ["generate", "--root", str(tmp_path), "--check"]).exit_code == 0
    page = tmp_path / "components" / "FEATURES.md"
    page.write_text(page.read_text(encoding="utf-8") + "edited\n", encoding="utf-8")

    for _ in range(2):
        answer = runner.invoke(app, ["generate", "--root", str(tmp_path), "--check"])
        assert answer.exit_code == 1
        assert "drifted: components/FEATURES.md" in answer.output


def test_the_generated_files_of_the_repository_are_up_to_date() -> None:
    """What is committed is what the code makes."""
    from cardfraud_pipelines.generate import drifted

    assert drifted(ROOT) == []
