"""What a server says of itself: its own histogram of stages, and its counts."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_STAGE: Final = "cardfraud_stage_milliseconds"
_REPEATED: Final = "cardfraud_repeated_total"
_LOG_ROWS: Final = "cardfraud_prediction_log_rows_total"


@dataclass(frozen=True, slots=True)
class Told:
    """What ``/metrics`` says at one moment.

    Attributes:
        milliseconds: spent in each stage since the start.
        counts: how often each stage was passed.
        log_rows: rows of the prediction log by outcome.
        repeated: transactions that were answered as before, without work; None if it counts none.
    """

    milliseconds: Mapping[str, float]
    counts: Mapping[str, float]
    log_rows: Mapping[str, float]
    repeated: float | None

    def means_since(self, before: Told) -> dict[str, float]:
        """Mean milliseconds of each stage since an earlier moment."""
        return {
            name: (self.milliseconds[name] - before.milliseconds.get(name, 0.0)) / passed
            for name, count in self.counts.items()
            if (passed := count - before.counts.get(name, 0.0)) > 0
        }


def ask(port: int) -> Told:
    """Read ``/metrics`` of a server."""
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text = response.read().decode()
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            label = one.labels.get("stage") or one.labels.get("outcome") or ""
            found.setdefault(one.name, {})[label] = one.value
    return Told(
        milliseconds=found.get(f"{_STAGE}_sum", {}),
        counts=found.get(f"{_STAGE}_count", {}),
        log_rows=found.get(_LOG_ROWS, {}),
        repeated=found.get(_REPEATED, {}).get(""),
    )
