import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cardfraud_pipelines.local.endpoints import Endpoints

CARDFRAUD = [sys.executable, "-m", "cardfraud_pipelines"]


def wait_for(text: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has written a text."""
    while text not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.1)


def alive(folder: Path) -> list[str]:
    """Command lines of processes that have to do with a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(folder) in command:
                found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "object_store"), [(signal.SIGINT, "auto"), (signal.SIGTERM, "moto")]
)
def test_a_stack_holds_until_it_is_told_to_stop(
    number: signal.Signals, object_store: str, tmp_path: Path
) -> None:
    """A step finds the stack by its file, and either signal stops everything and nothing stays."""
    log, folder = tmp_path / "log", tmp_path / "stack"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*CARDFRAUD, "stack", "--folder", str(folder), "--object-store", object_store],
            stdout=sink,
            stderr=subprocess.STDOUT,
            # A shell starts its background jobs like this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # noqa: PLW1509
        )
    try:
        wait_for("The stack is up", log, process)
        file = folder / "stack.env"
        step = subprocess.run(
            ["bash", "-c", f"source '{file}'; exec '{sys.executable}' -m cardfraud.steps.validate"],
            capture_output=True,
            text=True,
            check=False,
        )
        process.send_signal(number)
        process.wait(timeout=30)
    finally:
        process.kill()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert step.returncode == 1
    assert "there are no rows" in step.stderr or "no day" in step.stderr, step.stderr
    assert process.returncode == 0
    assert ("S3 is moto, as asked for" in log.read_text()) is (object_store == "moto")
    assert alive(folder) == []


def test_serving_nothing_says_what_to_do_first(tmp_path: Path, endpoints: Endpoints) -> None:
    """Without a deployment the command names what is missing instead of starting a server."""
    environment = {**os.environ, **endpoints.settings_environment()}

    done = subprocess.run(
        [*CARDFRAUD, "serve", "--folder", str(tmp_path / "servers")],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert done.returncode == 1
    assert "not found" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    """A start empties its folder, so it refuses one that no stack has made."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine", encoding="utf-8")

    done = subprocess.run(
        [*CARDFRAUD, "stack", "--folder", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "precious.txt" in done.stderr
    assert precious.read_text(encoding="utf-8") == "mine"
