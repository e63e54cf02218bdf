"""Rung 5: the registry is gone when a server starts."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from cardfraud.errors import Unavailable
from cardfraud_inference.settings import TransformerSettings
from cardfraud_inference.transformer.model import FraudTransformer
from tests.cardfraud_inference.clients import metric
from tests.cardfraud_inference.ladder.conftest import cache_folder
from tests.cardfraud_inference.ladder.standing import HEALTHY, Standing, ask, probability
from tests.cardfraud_inference.ladder.test_recovery import logged
from tests.cardfraud_inference.waiting import until
from tests.support import servers
from tests.support.faulty_link import Fault
from tests.support.servers import LOG_KEY, Address


@pytest.fixture
def cached(standing: Standing, tmp_path: Path) -> Path:
    """A copy of what the running servers have verified and kept."""
    folder = tmp_path / "verified"
    shutil.copytree(cache_folder(standing.stack.supervisor.folder), folder)
    return folder


def test_the_last_verified_bundle_is_served(standing: Standing, cached: Path) -> None:
    """Both servers start from the cache, say so, and answer as before; the log waits for S3."""
    standing.s3.break_(Fault.REFUSE)
    supervisor, at, before = standing.stack.supervisor, Address(), Address()
    settings = {"cache_dir": str(cached)}
    supervisor.start(
        servers.predictor(at, standing.storage, standing.bundle, name="late-predictor", **settings)
    )
    part = servers.transformer(
        before,
        standing.storage,
        bundle=standing.bundle,
        policy=standing.policy,
        predictor_at=at,
        name="late",
        **settings,
    )
    supervisor.run(part)
    supervisor.wait("late-predictor")
    answer = ask(before, transaction_id="without-a-registry")
    assert answer["probability"] == pytest.approx(probability(), abs=1e-6)
    assert (answer["decision"], answer["features"]) == ("approve", HEALTHY)
    assert metric(before, 'cardfraud_opened_from{source="cache"}') == 1
    assert metric(before, 'cardfraud_opened_from{source="registry"}') == 0
    assert metric(standing.split, 'cardfraud_opened_from{source="registry"}') == 1
    log = (supervisor.folder / "late.log").read_text().splitlines()
    events = [json.loads(line)["event"] for line in log if line.startswith("{")]
    assert "opened from the cache" in events
    standing.s3.heal()
    until(lambda: len(logged(standing, ["without-a-registry"])) == 1)
    for name in ("late", "late-predictor"):
        supervisor.stop(name)


def opened(standing: Standing, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Open a transformer's model in this process, where starting one would take seconds."""
    for name, value in standing.storage.items():
        monkeypatch.setenv(name, value)
    model = FraudTransformer(
        TransformerSettings.model_validate(
            {
                "bundle": standing.bundle,
                "policy": standing.policy,
                "fused": True,
                "prediction_log_key": LOG_KEY,
            }
            | settings
        )
    )

    async def whole() -> None:
        try:
            await model.open()
        finally:
            await model.close()

    asyncio.run(whole())


def test_a_cache_that_is_whole_opens(
    standing: Standing, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the refusals below mean something."""
    standing.s3.break_(Fault.REFUSE)
    opened(standing, monkeypatch, cache_dir=cached)


def test_without_a_cache_the_object_store_is_named(
    standing: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was ever verified here: the server does not start, and says what is away."""
    standing.s3.break_(Fault.REFUSE)
    with pytest.raises(Unavailable, match="object store"):
        opened(standing, monkeypatch, cache_dir=tmp_path / "empty")


def test_another_bundle_is_not_taken_from_the_cache(
    standing: Standing, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the digest that was asked for is served, never what happens to be there."""
    standing.s3.break_(Fault.REFUSE)
    with pytest.raises(Unavailable, match="object store"):
        opened(standing, monkeypatch, cache_dir=cached, bundle=f"sha256-{'0' * 64}")


def test_a_flipped_byte_in_the_cache_is_refused(
    standing: Standing, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on the disk is verified as if it came from the registry."""
    (graph,) = cached.rglob("model.onnx")
    spoilt = bytearray(graph.read_bytes())
    spoilt[-1] ^= 1
    graph.chmod(0o600)
    graph.write_bytes(spoilt)
    standing.s3.break_(Fault.REFUSE)
    with pytest.raises(Unavailable, match=r"cache cannot be used: 'model\.onnx"):
        opened(standing, monkeypatch, cache_dir=cached)
