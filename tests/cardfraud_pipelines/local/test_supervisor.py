import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from cardfraud.errors import CardfraudError
from cardfraud_pipelines.local import Part, PartFailed, StackInUse, Supervisor
from cardfraud_pipelines.local.leftovers import MARK, end_leftovers
from tests.cardfraud_pipelines.local.processes import (
    alive,
    eventually,
    first_line,
    linux_only,
    marked,
    python,
    token_of,
)

SLEEP = "import time; time.sleep(600)"


def always() -> bool:
    """Count as ready without a look."""
    return True


def part(name: str, *lines: str, stop_within: float = 10.0) -> Part:
    """Build a part that runs these lines of Python and counts as ready at once."""
    command = (sys.executable, "-u", "-c", "\n".join(lines))
    return Part(name=name, command=command, ready=always, stop_within=stop_within)


def test_a_part_that_dies_at_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """A part that ends before it answers raises an error with its status and its last lines."""
    broken = Part(
        name="broken",
        command=(
            sys.executable,
            "-c",
            "import sys; print(*range(100), sep='\\n'); sys.exit('no such option: --frobnicate')",
        ),
        ready=lambda: False,
    )
    with Supervisor(tmp_path) as supervisor, pytest.raises(PartFailed) as caught:
        supervisor.run(broken)
    assert isinstance(caught.value, CardfraudError)
    assert caught.value.part == "broken"
    assert "ended with status 1" in str(caught.value)
    assert str(caught.value).endswith("no such option: --frobnicate")
    assert len(caught.value.tail) == 20
    assert "  99\n" in str(caught.value)
    assert (tmp_path / "broken.log").read_text().startswith("0\n1\n")


def test_a_part_that_never_answers_is_reported_with_the_clients_last_error(tmp_path: Path) -> None:
    """A part that runs but does not answer raises at its deadline and says what the client saw."""

    def refused() -> bool:
        raise ConnectionRefusedError("nobody listens")

    deaf = Part(name="deaf", command=(sys.executable, "-c", SLEEP), ready=refused, ready_within=0.2)
    with Supervisor(tmp_path) as supervisor, pytest.raises(PartFailed, match="nobody listens"):
        supervisor.run(deaf)


def test_a_part_that_dies_later_is_noticed(tmp_path: Path) -> None:
    """``check`` raises for a part that ended after it was ready, and not before."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.run(part("steady", SLEEP))
        supervisor.check()
        supervisor.start(part("short", "raise SystemExit(3)"))
        assert eventually(lambda: not supervisor._parts["short"].running)
        with pytest.raises(PartFailed, match=r"short is unavailable: it ended with status 3"):
            supervisor.check()


def test_leaving_the_context_ends_parts_in_reverse_order(tmp_path: Path) -> None:
    """The part that was started last is gone before the first one is asked to end."""
    journal = tmp_path.parent / f"{tmp_path.name}-journal"
    lines = (
        "import pathlib, signal, sys, time",
        "def end(*_):",
        "    open({journal!r}, 'a').write('{name} ')",
        "    sys.exit()",
        "signal.signal(signal.SIGTERM, end)",
        "print('up')",
        "time.sleep(600)",
    )
    with Supervisor(tmp_path) as supervisor:
        for name in ("first", "second", "third"):
            text = [line.format(journal=str(journal), name=name) for line in lines]
            supervisor.run(part(name, *text))
            log = tmp_path / f"{name}.log"
            assert eventually(lambda log=log: "up" in log.read_text())  # type: ignore[misc]
    assert journal.read_text() == "third second first "


@linux_only
def test_a_part_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A part that does not end when asked gets SIGKILL after its grace time."""
    stubborn = part(
        "stubborn",
        "import signal, time",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "print('up')",
        "time.sleep(600)",
        stop_within=0.3,
    )
    with Supervisor(tmp_path) as supervisor:
        supervisor.run(stubborn)
        assert eventually(lambda: "up" in (tmp_path / "stubborn.log").read_text())
        guardian = supervisor._parts["stubborn"]._guardian
    assert guardian.returncode == 128 + signal.SIGKILL  # its own work, nobody had to end it
    assert not marked(token_of(tmp_path))


@linux_only
def test_processes_that_a_part_detached_end_with_it(tmp_path: Path) -> None:
    """A grandchild in a session of its own, with an emptied environment, ends with its part."""
    detach = (
        "import subprocess, sys, time",
        f"command = [sys.executable, '-c', '{SLEEP}']",
        "print(subprocess.Popen(command, start_new_session=True, env={}).pid)",
        "time.sleep(600)",
    )
    with Supervisor(tmp_path) as supervisor:
        supervisor.run(part("parent", *detach))
        log = tmp_path / "parent.log"
        assert eventually(lambda: log.read_text().endswith("\n"))
        grandchild = int(log.read_text())
        assert alive(grandchild)
    assert not alive(grandchild)


@linux_only
def test_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    """When the process with the supervisor gets SIGKILL, all parts and their children end."""
    script = f"""
import pathlib, sys, time
from cardfraud_pipelines.local import Part, Supervisor
with Supervisor(pathlib.Path({str(tmp_path)!r})) as supervisor:
    nested = "import os; os.system('sleep 600; true')"
    for name, code in (("plain", {SLEEP!r}), ("nested", nested)):
        supervisor.run(Part(name=name, command=(sys.executable, "-c", code), ready=lambda: True))
    print("up", flush=True)
    time.sleep(600)
"""
    with python(script) as parent:
        assert first_line(parent) == "up"
        token = token_of(tmp_path)
        assert eventually(lambda: len(marked(token)) == 6)  # 2 guardians, 2 parts, sh, sleep
        parent.kill()
    assert eventually(lambda: not marked(token))


@linux_only
def test_a_killed_guardian_takes_its_part_with_it(tmp_path: Path) -> None:
    """A part does not outlive its guardian, and the supervisor notices."""
    with Supervisor(tmp_path) as supervisor:
        supervisor.run(part("lonely", SLEEP))
        token = token_of(tmp_path)
        assert eventually(lambda: len(marked(token)) == 2)
        os.kill(supervisor._parts["lonely"]._guardian.pid, signal.SIGKILL)
        assert eventually(lambda: not marked(token))
        with pytest.raises(PartFailed, match="status -9"):
            supervisor.check()


def test_a_part_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """Parts may be started from a worker thread; its end does not end them."""
    with Supervisor(tmp_path) as supervisor:
        worker = threading.Thread(target=supervisor.run, args=(part("p", SLEEP),))
        worker.start()
        worker.join()
        # A second part goes through the whole life meanwhile; a death signal would have come.
        supervisor.run(part("q", SLEEP))
        supervisor.stop("q")
        supervisor.check()


@linux_only
def test_a_leftover_of_an_earlier_run_is_ended_at_the_next_start(tmp_path: Path) -> None:
    """What carries the last run's mark is killed; the same program without the mark is not."""
    tmp_path.joinpath("lock").write_text("0123456789abcdef")
    environ = {**os.environ, MARK: "0123456789abcdef"}
    other = {**os.environ, MARK: "0123456789abcdef0"}
    with python(SLEEP, environ) as leftover, python(SLEEP, other) as bystander:
        assert eventually(lambda: marked("0123456789abcdef") == {leftover.pid})
        reports: list[str] = []
        with Supervisor(tmp_path, report=reports.append):
            assert leftover.wait(timeout=60) == -signal.SIGKILL
        assert reports == [f"ended process {leftover.pid}, left over from an earlier stack"]
        assert bystander.poll() is None


@linux_only
def test_a_leftover_has_ended_when_its_end_is_reported() -> None:
    """Its ports and files are free by then, although the kernel takes a while over its memory."""
    mark = "fedcba9876543210"
    code = f"kept = b'x' * 200_000_000; print('up', flush=True); {SLEEP}"
    with python(code, {**os.environ, MARK: mark}) as leftover:
        assert first_line(leftover) == "up"
        assert end_leftovers(mark) == [leftover.pid]
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        assert os.waitid(os.P_PID, leftover.pid, options) is not None


@linux_only
@pytest.mark.parametrize(("parent", "ran"), [("os.getpid()", "ran"), ("1", "")])
def test_a_part_does_not_start_once_its_guardian_is_gone(parent: str, ran: str) -> None:
    """A guardian that ends before the death signal is set would leave a part that nobody ends."""
    script = f"""
import os, subprocess
from cardfraud_pipelines.local import guardian
done = subprocess.run(["echo", "ran"], stdout=subprocess.PIPE, text=True,
                      preexec_fn=guardian._die_with({parent}))
print(done.returncode, done.stdout.strip())
"""
    with python(script) as process:
        assert first_line(process) == f"{0 if ran else 1} {ran}".strip()


@linux_only
def test_an_empty_mark_ends_nothing() -> None:
    """A lock file without a token, as a crash may leave it, is no licence to kill."""
    with python(SLEEP, {**os.environ, MARK: ""}) as bystander:
        assert eventually(lambda: bool(marked_empty(bystander.pid)))
        assert end_leftovers("") == []
        assert bystander.poll() is None


def marked_empty(pid: int) -> bool:
    """Say whether the process has started and carries an empty mark."""
    return f"{MARK}=".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    """A second supervisor in the same folder is refused and disturbs nothing."""
    with Supervisor(tmp_path) as first:
        first.run(part("p", SLEEP))
        with pytest.raises(StackInUse, match=str(tmp_path)), Supervisor(tmp_path):
            pass
        first.check()
        assert (tmp_path / "p.log").exists()
    with Supervisor(tmp_path):
        assert not (tmp_path / "p.log").exists()


def test_parts_do_not_inherit_the_users_cloud_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings of the caller's cloud account do not reach a part; given ones do."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    code = "import os; print(os.environ.get('AWS_PROFILE'), os.environ['AWS_REGION'], "
    code += "'127.0.0.1' in os.environ['NO_PROXY'].split(','))"
    given = Part(
        name="p", command=(sys.executable, "-c", code), ready=always, env={"AWS_REGION": "here"}
    )
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(given)
        assert eventually(lambda: not supervisor._parts["p"].running)
    assert (tmp_path / "p.log").read_text() == "None here True\n"


def test_an_answer_from_somebody_else_does_not_make_a_dead_part_ready(tmp_path: Path) -> None:
    """A part whose port another server holds fails, although that server answers there."""
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]

        def ready() -> bool:
            socket.create_connection(("127.0.0.1", port)).close()
            return eventually(lambda: not supervisor._parts["late"].running)

        code = f"import socket; socket.create_server(('127.0.0.1', {port}))"
        late = Part(name="late", command=(sys.executable, "-c", code), ready=ready)
        with Supervisor(tmp_path) as supervisor, pytest.raises(PartFailed, match="in use"):
            supervisor.run(late)
