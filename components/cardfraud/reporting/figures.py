"""Pictures as inline SVG, in one style, with the same bytes for the same numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK: Final = "#1f2933"
MUTED: Final = "#52606d"
BLUE: Final = "#2563a8"
ORANGE: Final = "#d9730d"
RED: Final = "#b3261e"
GREEN: Final = "#2e7d4f"
PALE: Final = "#c9d6e4"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DAYS_NAMED: Final = 8

_STYLE: Final[Any] = {
    "svg.hashsalt": "cardfraud",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
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


def legend(axes: Axes, *, columns: int = 2) -> None:
    """Put the legend above the plot, where it can hide nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, borderaxespad=0.2, fontsize=8.5
    )


def dates(axes: Axes) -> None:
    """Make the horizontal axis one of dates, with as few words as tell them apart.

    Positions are days since 1970-01-01, or ``datetime64``.
    """
    from matplotlib import dates as calendar

    made: Any = calendar  # its classes are untyped
    locator = made.AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(made.ConciseDateFormatter(locator))


def name_days(axes: Axes, days: Sequence[int]) -> None:
    """Name days under the positions 0, 1, 2 and so on, at most eight of them.

    Args:
        axes: the plot.
        days: days since 1970-01-01, one for each position.
    """
    shown = range(0, len(days), max(1, -(-len(days) // _MOST_DAYS_NAMED)))
    axes.set_xticks(list(shown), [f"{_EPOCH + timedelta(days=days[i]):%d %b}" for i in shown])


def thousands(axes: Axes) -> None:
    """Write the numbers of the vertical axis with thousands separated."""
    from matplotlib.ticker import StrMethodFormatter

    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def thresholds(axes: Axes, *, review: float, decline: float) -> None:
    """Draw the policy's two thresholds; the legend names them, so that close ones can be read."""
    for value, name, dashes in ((review, "review", "--"), (decline, "decline", ":")):
        axes.axvline(
            value, color=INK, linewidth=1.0, linestyle=dashes, label=f"{name} from {value:.3g}"
        )
