"""The scorecard as a table on the terminal."""

from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cardfraud_pipelines.scorecard.book import TOLERANCE
from cardfraud_pipelines.scorecard.configuration import SELECTED_ON
from cardfraud_pipelines.scorecard.result import Figures, ModelRow, ScorecardResult

_MARK: Final = " *"


def scorecard_table(result: ScorecardResult) -> RenderableType:
    """Return the table and the notes below it."""
    table = Table(
        title=f"{result.test_start}, {result.test_days} days: "
        f"{result.test_rows:,} transactions, {result.test_frauds:,} frauds"
    )
    table.add_column("Model")
    table.add_column("Figures")
    for heading in ("AUC\nROC", "Average\nprecision", "Card\nprecision@100", "of the\nceiling"):
        table.add_column(heading, justify="right")
    for row in result.models:
        _add(table, row)
    if len(result.weeks) > 1 and result.mean_of_weeks is not None:
        for week in result.weeks:
            ours = f"week from {week.test_start}{_MARK if week.selected_on else ''}"
            table.add_row(result.models[-1].name, ours, *_cells(week.figures))
        label = f"mean of {len(result.weeks)} weeks"
        label += _MARK if any(week.selected_on for week in result.weeks) else ""
        table.add_row(result.models[-1].name, label, *_cells(result.mean_of_weeks), style="bold")
    ceiling = result.card_precision_ceiling
    table.add_row("Perfect scorer", "ceiling", "1.000", "1.000", f"{ceiling:.3f}", "100 %")
    return Group(table, *_notes(result))


def print_scorecard(result: ScorecardResult, console: Console | None = None) -> None:
    """Print the scorecard."""
    (console or Console()).print(scorecard_table(result))


def _add(table: Table, row: ModelRow) -> None:
    if row.published is not None:
        published = row.published
        table.add_row(
            row.name,
            "published",
            f"{published.auc_roc:.3f}",
            f"{published.average_precision:.3f}",
            f"{published.card_precision:.3f}",
            "",
        )
    if row.set_up == "book":
        table.add_row(row.name, "run here", *_cells(row.figures))
        return
    for seed, figures in row.runs.items():
        table.add_row(row.name, f"ours, seed {seed}", *_cells(figures))
    table.add_row(row.name, f"ours, mean of {len(row.runs)}", *_cells(row.figures), style="bold")


def _cells(figures: Figures) -> tuple[str, str, str, str]:
    return (
        f"{figures.auc_roc:.3f}",
        f"{figures.average_precision:.3f}",
        f"{figures.card_precision:.3f}",
        f"{figures.share_of_ceiling:.0%}".replace("%", " %"),
    )


def _notes(result: ScorecardResult) -> list[Text]:
    notes = []
    for row in result.models:
        if row.difference is not None:
            within = "within" if row.difference <= TOLERANCE else "NOT within"
            notes.append(
                f"{row.name}: {row.difference:.4f} from the book, {within} {TOLERANCE} of it."
            )
        if row.onnx_parity is not None:
            notes.append(
                f"{row.name}: fitted on {row.train_rows:,} rows; exported graph and model "
                f"differ by at most {row.onnx_parity:.1e}."
            )
    if not any(row.published for row in result.models):
        notes.append("The book publishes no figures for these days.")
    if any(week.selected_on for week in result.weeks):
        first, last = SELECTED_ON
        notes.append(
            f"{_MARK.strip()} With weeks of {first} to {last}, on which our configuration was "
            "chosen: no measure of days that it had not seen."
        )
    if result.earlier_looks is not None:
        notes.append(
            f"Configurations of ours that this week had seen before this one: "
            f"{result.earlier_looks}."
        )
    notes.append(f"Published figures: {result.source_of_published}.")
    return [Text(note) for note in notes]
