"""The pictures of the report, as SVG that needs no file beside it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cardfraud.contracts.policy import Policy
from cardfraud.steps.evaluate.figures import Curves, Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS: Final = {"candidate": "#1d5fa8", "champion": "#c2711a"}
_FRAUD, _GOOD, _FAINT = "#b3372f", "#5b8a72", "#9aa3ad"
_STYLE: Final[Any] = {  # matplotlib types its names one by one
    "axes.axisbelow": True,
    "axes.edgecolor": "#c8ced6",
    "axes.grid": True,
    "axes.labelcolor": "#39424e",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": "#e8ebef",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "cardfraud",
    "text.color": "#39424e",
    "xtick.color": "#5a6470",
    "ytick.color": "#5a6470",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A scorer with all that is drawn of it."""

    name: str
    scores: NDArray[np.float32]
    curves: Curves
    figures: Figures


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture with its caption."""

    title: str
    caption: str
    svg: str


def charts(policy: Policy, labels: NDArray[np.bool_], drawn: Sequence[Drawn]) -> list[Chart]:
    """Draw every picture of the report."""
    k = drawn[0].figures.card_precision.k
    return [
        Chart("ROC curve", "True against false positive rate.", _svg(_roc, drawn)),
        Chart("Precision and recall", "Over all thresholds.", _svg(_precision_recall, drawn)),
        Chart(
            f"Card precision at {k}, by day",
            "Bars reach what was caught; the dashes are the ceiling of a perfect scorer.",
            _svg(_card_precision, drawn),
        ),
        Chart(
            "Cost",
            "Missed frauds and reviews in major units, by reviewed transactions.",
            _svg(_cost, drawn),
        ),
        Chart(
            "Calibration",
            "Observed share of frauds against the predicted probability; larger dots, more rows.",
            _svg(_calibration, drawn),
        ),
        Chart(
            "Scores of the candidate",
            "Rows by score, on a logarithmic scale; the lines are the policy's thresholds.",
            _svg(lambda axes, many: _histogram(axes, many[0], labels, policy), drawn),
        ),
    ]


def _svg(draw: Callable[[Axes, Sequence[Drawn]], None], drawn: Sequence[Drawn]) -> str:
    # The object-oriented interface: no global figure, no display, safe in any thread.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 3.5), layout="constrained")
        draw(figure.add_subplot(), drawn)
        text = io.StringIO()
        canvas: Any = FigureCanvasSVG(figure)  # print_svg is untyped
        canvas.print_svg(text, metadata={"Date": None, "Creator": None})
    document = text.getvalue()
    return document[document.index("<svg") :]


@contextmanager
def _labelled(axes: Axes, x: str, y: str) -> Iterator[None]:
    yield
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="best")


def _roc(axes: Axes, drawn: Sequence[Drawn]) -> None:
    with _labelled(axes, "false positive rate", "true positive rate"):
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle=":")
        for one in drawn:
            curve, auc = one.curves.roc, one.figures.classification.auc_roc
            label = f"{one.name}, area {auc:.3f}" if auc is not None else one.name
            axes.plot([0, *curve.x], [0, *curve.y], color=COLOURS[one.name], label=label)


def _precision_recall(axes: Axes, drawn: Sequence[Drawn]) -> None:
    with _labelled(axes, "recall", "precision"):
        base = drawn[0].figures.classification
        axes.axhline(base.positives / base.rows, color=_FAINT, linestyle=":")
        for one in drawn:
            curve, value = one.curves.precision_recall, one.figures.classification.average_precision
            label = f"{one.name}, average {value:.3f}" if value is not None else one.name
            axes.plot(curve.x, curve.y, color=COLOURS[one.name], label=label)
        axes.set_ylim(0, 1.02)


def _card_precision(axes: Axes, drawn: Sequence[Drawn]) -> None:
    with _labelled(axes, "", "share of the alerts"):
        days = drawn[0].figures.card_precision.days
        width = 0.8 / len(drawn)
        for i, one in enumerate(drawn):
            place = np.arange(len(days)) - 0.4 + width * (i + 0.5)
            daily = one.figures.card_precision.daily
            axes.bar(place, daily, width * 0.92, color=COLOURS[one.name], label=one.name)
        ceiling = drawn[0].figures.card_precision.daily_ceiling
        axes.hlines(
            ceiling,
            np.arange(len(days)) - 0.45,
            np.arange(len(days)) + 0.45,
            color="#39424e",
            linestyle="--",
            label="ceiling",
        )
        shown = range(0, len(days), max(1, len(days) // 8))
        axes.set_xticks(list(shown), [f"{_EPOCH + timedelta(days=days[i]):%d %b}" for i in shown])
        axes.grid(visible=False, axis="x")


def _cost(axes: Axes, drawn: Sequence[Drawn]) -> None:
    with _labelled(axes, "reviewed transactions", "cost"):
        for one in drawn:
            points = one.curves.cost
            axes.plot(
                [p.flagged for p in points],
                [p.cost for p in points],
                color=COLOURS[one.name],
                label=one.name,
            )
        nothing = drawn[0].figures.cost.flag_nothing
        axes.axhline(nothing, color=_FAINT, linestyle=":", label="let all pass")
        flagged = drawn[0].figures.classification
        alerts = flagged.true_positives + flagged.false_positives
        axes.axvline(max(alerts, 1), color="#39424e", linestyle="--", label="policy")
        axes.set_xscale("log")


def _calibration(axes: Axes, drawn: Sequence[Drawn]) -> None:
    with _labelled(axes, "predicted probability", "observed share"):
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle=":")
        for one in drawn:
            bins = one.curves.calibration
            x, y = [b.mean_probability for b in bins], [b.observed_share for b in bins]
            size = [12 + 8 * float(np.log10(b.count)) ** 1.5 for b in bins]
            axes.plot(x, y, color=COLOURS[one.name], linewidth=1)
            axes.scatter(x, y, size, color=COLOURS[one.name], label=one.name)


def _histogram(axes: Axes, one: Drawn, labels: NDArray[np.bool_], policy: Policy) -> None:
    with _labelled(axes, "score", "rows"):
        edges = np.linspace(0, 1, 41)
        for name, rows, colour in (("legitimate", ~labels, _GOOD), ("fraud", labels, _FRAUD)):
            axes.hist(one.scores[rows], edges.tolist(), color=colour, alpha=0.65, label=name)
        for threshold in (policy.thresholds.review, policy.thresholds.decline):
            axes.axvline(threshold, color="#39424e", linestyle="--", linewidth=1)
        axes.set_yscale("log")
