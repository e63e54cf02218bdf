"""Pictures as inline SVG, in one style, with the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK: Final = "#1f2933"
MUTED: Final = "#7b8794"
BLUE: Final = "#2563a8"
ORANGE: Final = "#d9730d"
RED: Final = "#b3261e"
GREEN: Final = "#2e7d4f"
PALE: Final = "#c9d6e4"

_STYLE: Final[Any] = {
    "svg.hashsalt": "cardfraud",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


class Picture:
    """A figure in the making; ``svg`` is set when the ``with`` block of :func:`picture` ends."""

    def __init__(self, axes: Axes) -> None:
        """Keep the axes to draw on."""
        self.axes = axes
        self.svg = ""


@contextmanager
def picture(*, width: float = 5.2, height: float = 3.0) -> Iterator[Picture]:
    """Open a picture; draw on ``axes`` in the block, read ``svg`` after it.

    Args:
        width: inches; the page scales it to its column.
        height: inches.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        drawing = Picture(figure.subplots())
        yield drawing
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    drawing.svg = text[text.index("<svg") :]
