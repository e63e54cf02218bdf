import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from numpy.typing import NDArray

from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud_inference.transformer.deadlines import within
from cardfraud_inference.transformer.predictor_client import PredictorClient, PredictorFailed
from tests.cardfraud_inference.clients import JSON_LENGTH, PREDICT, post
from tests.cardfraud_inference.conftest import Serving
from tests.support.servers import Address

ROWS = np.random.default_rng(4).uniform(0, 5, (7, len(FEATURE_NAMES))).astype(np.float32)


def asked(
    host: str, *, version: str, rows: NDArray[np.float32] = ROWS, **changes: object
) -> NDArray[np.float32]:
    """Ask a predictor once, with a client of its own."""

    async def once() -> NDArray[np.float32]:
        timeout_s = changes.get("timeout_s", 30.0)
        assert isinstance(timeout_s, float)
        model = str(changes.get("model", "fraud"))
        client = PredictorClient(host, model, timeout_s=timeout_s, version=version)
        try:
            return await client.score(rows, {"x-request-id": "a"})
        finally:
            await client.close()

    return asyncio.run(once())


def test_the_client_gets_what_the_predictor_gives(serving: Serving) -> None:
    """Raw tensors there and back carry the scores bit for bit."""
    scores = asked(serving.predictor.host, version=serving.bundle)
    v1 = post(serving.predictor, PREDICT, {"instances": ROWS.tolist()}).json()["predictions"]
    np.testing.assert_array_equal(scores, np.array(v1, dtype=np.float32))


def test_a_predictor_of_another_bundle_counts_as_failed(serving: Serving) -> None:
    """A score is never taken for that of the bundle that the answer will name."""
    with pytest.raises(PredictorFailed, match="another bundle") as caught:
        asked(serving.predictor.host, version=f"sha256-{'0' * 64}")
    assert caught.value.kind == "version"


def test_every_way_to_fail_has_its_kind(serving: Serving) -> None:
    """No connection, no time, another status: one error, told apart for the metric."""
    here = serving.predictor.host
    kinds = []
    for host, changes in (
        (Address().host, {}),
        (here, {"timeout_s": 1e-6}),
        (here, {"model": "fruad"}),
        (here, {"rows": ROWS[:, :-1]}),
    ):
        with pytest.raises(PredictorFailed) as caught:
            asked(host, version=serving.bundle, **changes)
        kinds.append(caught.value.kind)
    assert kinds == ["connection", "timeout", "status", "status"]


@contextmanager
def answering(scores: bytes, length: str | None = None, **changes: object) -> Iterator[str]:
    """Serve one fixed answer, in the predictor's form, on a port; yield its address."""
    output = {"name": "probability", "datatype": "FP32", "shape": [len(ROWS)]} | changes
    head = json.dumps({"model_version": "v", "outputs": [output]}).encode()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header(JSON_LENGTH, str(len(head)) if length is None else length)
            self.send_header("content-length", str(len(head + scores)))
            self.end_headers()
            self.wfile.write(head + scores)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def raw_scores(last: float) -> bytes:
    """As many scores as rows; all but the last are probabilities."""
    return np.array([0.5] * (len(ROWS) - 1) + [last], dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("scores", "changes"),
    [
        (raw_scores(1.5), {}),
        (raw_scores(-0.1), {}),
        (raw_scores(float("nan")), {}),
        (raw_scores(0.5)[4:], {}),
        (raw_scores(0.5), {"name": "salary"}),
        (raw_scores(0.5), {"shape": [len(ROWS), 1]}),
    ],
    ids=["above 1", "below 0", "NaN", "too few", "other name", "other shape"],
)
def test_what_is_no_probability_is_no_answer(scores: bytes, changes: dict[str, object]) -> None:
    """Scores out of [0, 1], too few, or of another output count as a failed predictor."""
    with answering(scores, None, **changes) as host, pytest.raises(PredictorFailed) as caught:
        asked(host, version="v")
    assert caught.value.kind == "answer"


@pytest.mark.parametrize("length", ["x", "-5", "99999999", ""])
def test_a_header_that_says_nothing_is_no_answer(length: str) -> None:
    """Where the scores begin cannot be told: a failed predictor, and no other error."""
    with answering(raw_scores(0.5), length) as host, pytest.raises(PredictorFailed) as caught:
        asked(host, version="v")
    assert caught.value.kind == "answer"


def test_probabilities_in_that_form_are_taken() -> None:
    """The server of the test above is believed when it keeps to the form, limits included."""
    with answering(raw_scores(1.0)) as host:
        assert asked(host, version="v").tolist() == [0.5] * (len(ROWS) - 1) + [1.0]


def test_large_batches_get_more_time() -> None:
    """The deadline holds for up to 100 rows and grows in proportion beyond."""
    assert [within(0.2, rows) for rows in (1, 100, 1_000)] == [0.2, 0.2, 2.0]
