import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardfraud.contracts.scoring import parse_instances
from cardfraud.errors import Unavailable
from cardfraud_pipelines.demo.replay import Row, conflict_free_runs, instance, replay

START = datetime(2026, 3, 1, tzinfo=UTC)


def row(index: int, user: str, merchant: str, amount_minor: int = 1999) -> Row:
    """A transaction, ``index`` seconds after the start."""
    return {
        "transaction_id": f"t{index}",
        "event_time": START + timedelta(seconds=index, microseconds=1),
        "user_id": user,
        "merchant_id": merchant,
        "amount_minor": amount_minor,
    }


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40), st.integers(1, 7))
def test_runs_keep_the_order_and_never_repeat_a_user_or_merchant(
    pairs: list[tuple[int, int]], limit: int
) -> None:
    """Runs joined together are the rows again, and within one nobody stands twice."""
    rows = [row(i, f"u{u}", f"m{m}") for i, (u, m) in enumerate(pairs)]

    runs = list(conflict_free_runs(rows, limit=limit))

    assert [r for run in runs for r in run] == rows
    for run in runs:
        assert 1 <= len(run) <= limit
        assert len({r["user_id"] for r in run}) == len(run)
        assert len({r["merchant_id"] for r in run}) == len(run)


@given(st.integers(0, 100_000_000))
def test_an_amount_survives_the_way_through_json(amount_minor: int) -> None:
    """Cents written as a decimal number are read back as the same cents."""
    body = json.loads(json.dumps({"instances": [instance(row(1, "u", "m", amount_minor))]}))

    (transaction,) = parse_instances(body)

    assert transaction.amount_minor == amount_minor
    assert transaction.event_time == START + timedelta(seconds=1, microseconds=1)


@contextmanager
def answering(status: int, *, reverse: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A server that gives every instance a probability, and the order in which it saw them."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            ids = [i["transaction_id"] for i in body["instances"]]
            seen.extend(ids)
            answers = [{"transaction_id": i, "probability": 0.5} for i in ids]
            content = json.dumps({"predictions": answers[::-1] if reverse else answers}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_run_is_pushed_after_it_was_scored_and_before_the_next_one() -> None:
    """The user's second transaction is scored only once the first one was pushed."""
    rows = [row(0, "a", "x"), row(1, "b", "y"), row(2, "a", "z"), row(3, "c", "w")]
    events: list[str] = []
    with answering(200) as (url, seen):

        def push(run: Any) -> None:
            assert seen[-len(run) :] == [r["transaction_id"] for r in run]
            events.extend(r["transaction_id"] for r in run)
            assert seen == events

        served = replay(rows, url=url, push=push)

    assert events == ["t0", "t1", "t2", "t3"]
    assert served.batch_sizes == [2, 2]
    assert len(served.predictions) == 4


@pytest.mark.parametrize(("status", "reverse"), [(503, False), (200, True)])
def test_a_wrong_answer_stops_the_replay_before_the_push(status: int, *, reverse: bool) -> None:
    """An answer that is not 200, or not in the order asked for, is an error and pushes nothing."""
    pushed: list[Row] = []
    with answering(status, reverse=reverse) as (url, _), pytest.raises(Unavailable):
        replay([row(0, "a", "x"), row(1, "b", "y")], url=url, push=pushed.extend)

    assert pushed == []
