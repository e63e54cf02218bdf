"""What the command ``cardfraud repeat`` does."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.train.repeat import Repetition, repeat


def repeat_run(run_id: str, *, json_file: Path | None = None) -> bool:
    """Train again from the record of a run, print what came of it, return whether it is the same.

    Raises:
        NotFound: there is no such candidate.
        IntegrityError: its files are not those that training wrote.
        Unavailable: the object store does not answer.
    """
    settings = ObjectStoreSettings()
    result = repeat(run_id, ObjectStore(settings), FeatureStore(FeatureStoreSettings(), settings))
    print_repetition(result, Console())
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return result.same_bytes


def print_repetition(result: Repetition, console: Console) -> None:
    """Print the verdict, then what is not as it was recorded."""
    if result.same_bytes:
        console.print(f"Same bytes: sha256-{result.recorded_sha256}", soft_wrap=True)
    elif result.repeated_sha256 is None:
        console.print(f"Not repeated: {result.failure}", soft_wrap=True, markup=False)
    else:
        console.print(
            f"Other bytes: recorded sha256-{result.recorded_sha256}, "
            f"now sha256-{result.repeated_sha256}",
            soft_wrap=True,
        )
        if result.largest_score_difference is None:
            console.print("The test rows of the run lack features that the new model reads.")
        else:
            console.print(
                "Largest difference of a score on the run's test rows: "
                f"{result.largest_score_difference:.3g}"
            )
    if not result.differences:
        console.print("Nothing differs from the record.")
        return
    effect = ", without effect on the model" if result.same_bytes else ""
    table = Table(title=f"Not as recorded{effect}")
    for heading in ("what", "recorded", "now"):
        table.add_column(heading, overflow="fold")
    for entry in result.differences:
        table.add_row(entry.what, entry.recorded, entry.found)
    console.print(table)
