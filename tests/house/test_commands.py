import re
import shlex
import subprocess

import pytest
from typer.testing import CliRunner

from tests.house.repository import ROOT

PAGES = ("README.md", "CONTRIBUTING.md")


def commands() -> list[str]:
    """Every line of the ``sh`` blocks of the pages that newcomers read, without its remark."""
    found: list[str] = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [
                shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))
            ]
    return sorted(set(found))


def make_targets() -> dict[str, str]:
    """Targets that ``make help`` lists, with what it says about them."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z-]+):.*?## (.+)$", text, flags=re.MULTILINE))


def test_the_pages_show_commands() -> None:
    """The two commands of the readme are among those that the tests below look at."""
    assert {"make demo", "make test"} <= set(commands())


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_pages_exists(command: str) -> None:
    """Each ``make`` line is one that make would run, each ``cardfraud`` line has its subcommand."""
    words = shlex.split(command)
    if words[0] == "make":
        assert {word for word in words[1:] if "=" not in word} <= make_targets().keys()
        plan = subprocess.run(
            ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert plan.returncode == 0, plan.stderr
    elif words[0].endswith("cardfraud"):
        from cardfraud_pipelines.cli import app

        outcome = CliRunner().invoke(app, [words[1], "--help"])
        assert outcome.exit_code == 0, outcome.output
    else:
        assert words[0] in {"git", "curl", "cd", "source", ".venv/bin/python"}, (
            f"nobody checks {command!r}"
        )


@pytest.mark.parametrize("target", ["demo", "test", "verify", "bench", "scorecard", "lock", "lint"])
def test_a_target_is_there_and_explains_itself(target: str) -> None:
    """``make`` alone lists the target with one sentence."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  {target} +\S", listed, flags=re.MULTILINE)


@pytest.mark.parametrize("command", ["demo", "bench", "scorecard", "generate"])
def test_what_make_calls_is_a_command(command: str) -> None:
    """The targets call subcommands that the command line has, with the options it takes."""
    from cardfraud_pipelines.cli import app

    outcome = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert outcome.exit_code == 0, outcome.output
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    called = re.search(rf"\$\(CARDFRAUD\) {command} (.*)", text)
    options = {
        "$(DATA_OPTION)": ["--data"],
        "$(KEEP_OPTION)": ["--keep"],
        "$(REPLAY_OPTION)": ["--replay-days"],
    }
    words = called[1].split() if called else []
    wanted = [o for word in words for o in options.get(word, [word] if word[:2] == "--" else [])]
    assert [option for option in wanted if option not in outcome.output] == []


def test_the_scorecard_needs_data() -> None:
    """``make scorecard`` without its input stops with a sentence, before it runs anything."""
    plan = subprocess.run(
        ["make", "--dry-run", "scorecard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    guard = next(line for line in plan.stdout.splitlines() if "needs DATA" in line)
    outcome = subprocess.run(["bash", "-c", guard], capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert "make scorecard needs DATA=" in outcome.stderr
