"""What the command ``cardfraud imbalance`` does."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from cardfraud_pipelines.imbalance.result import ImbalanceResult, Spread
from cardfraud_pipelines.imbalance.run import compare_treatments

WEEKS: Final = tuple(date(2018, 7, first) for first in (4, 11, 18, 25))
"""Test weeks of the handbook's data on which our configuration was chosen, none of them later."""

_FIGURES: Final = (
    "Average\nprecision",
    "Gained",
    "AUC\nROC",
    "of the\nceiling",
    "Brier",
    "Calibration\nerror",
    "Fit, s",
)


def imbalance(
    data: Path,
    weeks: Sequence[date],
    *,
    seeds: tuple[int, ...] = (42,),
    json_file: Path | None = None,
    console: Console | None = None,
) -> None:
    """Compare the treatments, print the table, and write the figures to ``json_file``.

    Args:
        data: folder with one ``YYYY-MM-DD.parquet`` a day in the handbook's schema.
        weeks: first day of each test week.
        seeds: seeds of estimators and of what is drawn.
        json_file: where the result goes as JSON; its folder is made.
        console: where the table goes; standard output if absent.

    Raises:
        InvalidFrame: files, columns or days are missing, or a period holds no fraud.
        InvalidSetting: there is no week or no seed.
    """
    console = console or Console()
    with console.status("starting") as status:
        # A terminal shows one moving line, a log keeps all of them.
        tell = status.update if console.is_terminal else console.print
        result = compare_treatments(data, weeks, seeds=seeds, progress=tell)
    console.print(imbalance_table(result))
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        console.print(f"Written to {json_file}.")


def imbalance_table(result: ImbalanceResult) -> Table:
    """Return one row for each estimator and treatment, means over weeks and seeds."""
    frauds, rows = sum(result.test_frauds.values()), sum(result.test_rows.values())
    table = Table(
        title=f"{len(result.weeks)} test weeks from {result.weeks[0]}, seeds {result.seeds}: "
        f"{rows:,} rows, share of frauds {frauds / rows:.4f}",
        caption="Brier score and calibration error (15 bins) in thousandths: own, prior put back, "
        "after Platt's curve. Gained: average precision above no treatment of the same week and "
        "seed, mean (lowest to highest).",
    )
    table.add_column("Estimator")
    table.add_column("Treatment")
    for heading in _FIGURES:
        table.add_column(heading, justify="right")
    for row in result.summaries:
        stages = row.probabilities.values()
        table.add_row(
            row.estimator.replace("_", " "),
            row.treatment,
            f"{row.average_precision.mean:.3f}",
            _signed(row.gained),
            f"{row.auc_roc.mean:.3f}",
            f"{100 * row.share_of_ceiling.mean:.1f} %",
            " ".join(f"{1e3 * stage.brier:.2f}" for stage in stages),
            " ".join(f"{1e3 * stage.calibration_error:.2f}" for stage in stages),
            f"{row.fit_seconds:.1f}",
        )
    return table


def _signed(spread: Spread) -> str:
    return f"{spread.mean:+.3f} ({spread.low:+.3f} to {spread.high:+.3f})"
