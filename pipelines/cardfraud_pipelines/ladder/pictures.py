"""The ladder as a picture."""

from __future__ import annotations

from typing import Final

from cardfraud.reporting.figures import BLUE, INK, MUTED, ORANGE, picture
from cardfraud_pipelines.ladder.result import LadderResult

_WIDE: Final = 10.6


def rungs_compared(result: LadderResult) -> str:
    """Card Precision@100 of each rung beside the ceiling, as SVG."""
    rungs = result.rungs
    with picture(width=_WIDE, height=0.9 + 0.3 * len(rungs)) as drawing:
        axes = drawing.axes
        places = range(len(rungs))
        bars = axes.barh(
            places,
            [rung.card_precision for rung in rungs],
            color=[BLUE if rung.asks_model else ORANGE for rung in rungs],
            height=0.66,
        )
        lost = [
            f"{rung.card_precision:.3f}"
            + (f"  ({-result.lost(rung):+.3f})" if rung is not result.full else "")
            for rung in rungs
        ]
        axes.bar_label(bars, labels=lost, padding=4, color=INK)
        axes.axvline(result.card_precision_ceiling, color=MUTED, linewidth=1.0, linestyle="--")
        axes.set_yticks(places, [rung.name for rung in rungs])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.set_xlim(0, result.card_precision_ceiling * 1.12)
        axes.set_xlabel(
            "card precision@100; blue: the model ranks, orange: the rules do; dashed: the ceiling"
        )
        axes.grid(visible=False, axis="y")
    return drawing.svg
