"""The servers' own counts are held against what the load tool counted."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from prometheus_client import CollectorRegistry, Counter, start_http_server

from cardfraud_pipelines.benchmarks.serving.accounts import require_fresh, written_share
from cardfraud_pipelines.benchmarks.serving.result import missed_budgets
from cardfraud_pipelines.benchmarks.serving.window import WrongAnswer


@contextmanager
def telling(*, repeated: int | None = 0, **rows: int) -> Iterator[int]:
    """Serve the counts of a transformer under the names that it gives them; yield the port."""
    registry = CollectorRegistry()
    log = Counter("cardfraud_prediction_log_rows", "Rows.", ["outcome"], registry=registry)
    for outcome, number in rows.items():
        log.labels(outcome).inc(number)
    if repeated is not None:
        Counter("cardfraud_repeated", "Repeated.", registry=registry).inc(repeated)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    with closing(server.socket):
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ({"queued": 80, "written": 80}, 1.0),
        ({"queued": 60, "written": 60, "dropped": 20}, 0.75),
        ({"queued": 80, "written": 40, "lost": 40}, 0.5),
        ({"queued": 80, "written": 79}, 79 / 80),
        ({"queued": 81, "written": 81}, 81 / 80),
        ({}, 0.0),
    ],
)
def test_every_answer_has_its_row(rows: dict[str, int], share: float) -> None:
    """Rows dropped, lost, kept back or doubled are a budget missed, and so is a log that is off."""
    with telling(**rows) as port:
        found = written_share({"fused": port}, {"fused": 80, "baseline": 5}, patience_s=0.0)
    assert found == share
    assert bool(missed_budgets([], [], found)) == (share != 1)


def test_all_servers_that_decide_are_counted() -> None:
    """One server's full log does not hide that another's is off; without answers nothing is due."""
    with ExitStack() as stack:
        full = stack.enter_context(telling(queued=30, written=30))
        off = stack.enter_context(telling())
        ports = {"split": full, "fused": off}
        assert written_share(ports, {"split": 30, "fused": 10}, patience_s=0.0) == 0.75
        assert written_share(ports, {"baseline": 10}, patience_s=0.0) is None
    assert missed_budgets([], [], None) == ()


def test_an_answer_that_was_kept_is_wrong() -> None:
    """A server that answered without work, or cannot say, is named; others are not."""
    with telling() as port:
        require_fresh({"split": port})
    with telling(repeated=3) as port, pytest.raises(WrongAnswer, match="fused: 3 answers"):
        require_fresh({"fused": port})
    with telling(repeated=None) as port, pytest.raises(WrongAnswer, match="does not count"):
        require_fresh({"fused": port})
