"""What is started is set up as the report says."""

from pathlib import Path

import pytest

from cardfraud_inference.settings import TransformerSettings, read_settings
from cardfraud_pipelines.benchmarks.serving.baseline import server
from cardfraud_pipelines.benchmarks.serving.deployments import (
    DEADLINES_S,
    Published,
    transformer_settings,
)
from cardfraud_pipelines.benchmarks.serving.run import Extent
from cardfraud_pipelines.benchmarks.serving.world import World


def test_transformers_log_within_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log writes several times in a turn, and the deadlines are those of the result."""
    digest = f"sha256-{'0' * 64}"
    given = transformer_settings(Published(stores={}, bundle=digest, policy=digest))
    for name, value in given.items():
        monkeypatch.setenv(f"CARDFRAUD_TRANSFORMER_{name}", value)
    settings = read_settings(TransformerSettings, {"model_name": "fraud", "fused": True})
    assert settings.prediction_log_seconds <= Extent().seconds / 2
    deadlines = {name: getattr(settings, name.lower()) for name in DEADLINES_S}
    assert deadlines == DEADLINES_S
    shipped = TransformerSettings.model_fields
    assert all(deadlines[name] > shipped[name.lower()].default for name in DEADLINES_S)


def test_the_baseline_writes_no_line_for_a_request(tmp_path: Path, world: World) -> None:
    """An access log would be work that no other server of the comparison does."""
    world.forest.save(tmp_path / "forest.joblib")
    assert not server(tmp_path / "forest.joblib", 0).config.access_log
