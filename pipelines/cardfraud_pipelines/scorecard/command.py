"""What the command ``cardfraud scorecard`` does."""

from datetime import date
from pathlib import Path

from rich.console import Console

from cardfraud_pipelines.scorecard.report import print_scorecard
from cardfraud_pipelines.scorecard.run import run_scorecard


def scorecard(
    data: Path,
    *,
    test_start: date,
    test_days: int = 7,
    earlier_weeks: int = 0,
    json_file: Path | None = None,
    console: Console | None = None,
) -> None:
    """Run the protocol, print the table, and write the figures to ``json_file`` if it is given.

    Args:
        data: folder with one ``YYYY-MM-DD.parquet`` a day in the handbook's schema.
        test_start: first test day; two weeks of data must lie before it.
        test_days: number of test days.
        earlier_weeks: test weeks before this one on which our model is measured too.
        json_file: where the result goes as JSON; its folder is made.
        console: where the table goes; standard output if absent.

    Raises:
        InvalidFrame: files, columns or days are missing, or a period holds no fraud.
        InvalidSetting: ``test_days`` is below 1, or weeks are asked for before a period that is
            none.
    """
    console = console or Console()
    with console.status("starting") as status:
        # A terminal shows one moving line, a log keeps all of them.
        tell = status.update if console.is_terminal else console.print
        result = run_scorecard(
            data, test_start, test_days, earlier_weeks=earlier_weeks, progress=tell
        )
    print_scorecard(result, console)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        console.print(f"Written to {json_file}.")
