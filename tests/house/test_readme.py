import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def step_by_step() -> list[list[str]]:
    """Blocks of the section that runs the steps by hand: the stack, the steps, the policy."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Step by step")[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks]


@contextmanager
def running(command: str, until: str, folder: Path, log: Path) -> Iterator[str]:
    """Run a command that stays; yield what it printed up to ``until``; end it with Ctrl-C."""
    with log.open("wb") as sink:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, stdout=sink, stderr=subprocess.STDOUT
        )
    try:
        while until not in log.read_text(encoding="utf-8"):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.2)
        yield log.read_text(encoding="utf-8")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def test_the_steps_of_the_readme_end_in_a_served_decision(tmp_path: Path) -> None:
    """The commands of the section, run as they stand, lead from nothing to an answer and beyond."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    prepare, steps, afterwards = step_by_step()
    assert prepare[0] == "make environments"
    assert prepare[-1] == ".venv/bin/cardfraud stack"
    assert steps[-1].startswith(".venv/bin/cardfraud serve")
    for command in prepare[1:-1]:
        subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    run_id = ""
    with running(prepare[-1], "The stack is up", tmp_path, tmp_path / "stack.log"):
        for command in steps[1:-1]:
            done = subprocess.run(
                ["bash", "-c", f"{steps[0]} && {command.replace('RUN', run_id)}"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"
            found = re.search(r'"run_id": "([0-9a-f]{32})"', done.stdout)
            run_id = found[1] if found else run_id
        serve = f"bash -c '{steps[0]} && exec {steps[-1]}'"
        with running(serve, "REST: ", tmp_path, tmp_path / "serve.log") as printed:
            body = {
                "transaction_id": "t1",
                "event_time": "2026-04-11T10:00:00Z",
                "user_id": "1",
                "merchant_id": "1",
                "amount": 12.5,
            }
            url = re.search(r"REST: (\S+)", printed)
            assert url is not None
            request = urllib.request.Request(
                url[1], json.dumps({"instances": [body]}).encode(), method="POST"
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                (prediction,) = json.load(answer)["predictions"]

        for command in afterwards[1:]:
            done = subprocess.run(
                ["bash", "-c", f"{afterwards[0]} && {command}"],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    # The decision that was asked for above is in the log, and the same again.
    figures = dict(re.findall(r"│ (\w[\w ]*?) +│ +(\d+) │", done.stdout))
    assert (figures["rows"], figures["decided again"], figures["mismatches"]) == ("1", "1", "0")
    assert 0 < prediction["probability"] < 1
    assert prediction["features"]["missing"] == []
    assert prediction["features"]["degraded"] is False
