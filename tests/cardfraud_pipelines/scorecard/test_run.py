import io
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from cardfraud.errors import InvalidFrame, InvalidSetting
from cardfraud_pipelines.scorecard.book import FIGURES, TOLERANCE
from cardfraud_pipelines.scorecard.command import scorecard
from cardfraud_pipelines.scorecard.configuration import CONFIGURATION, Configuration
from cardfraud_pipelines.scorecard.report import print_scorecard
from cardfraud_pipelines.scorecard.result import ScorecardResult
from cardfraud_pipelines.scorecard.run import run_scorecard
from tests.cardfraud_pipelines.scorecard.synthetic import day, season, write_days

SMALL = Configuration(
    estimator="gradient_boosting", parameters={"trees": 20, "min_samples_leaf": 10}, threads=1
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days of data."""
    path = tmp_path_factory.mktemp("season")
    write_days(season(30), path)
    return path


@pytest.fixture(scope="module")
def result(folder: Path) -> ScorecardResult:
    """The scorecard of days 20 to 22, with two seeds."""
    return run_scorecard(folder, day(20), 3, seeds=(1, 2), configuration=SMALL)


def test_it_works_on_any_period_and_leaves_out_the_published_figures(
    result: ScorecardResult,
) -> None:
    """On days that the book does not cover there are our figures only, each seed's and the mean."""
    assert [row.set_up for row in result.models] == ["book", "book", "ours"]
    assert all(row.published is None for row in result.models)
    ours = result.models[-1]
    assert set(ours.runs) == {1, 2}
    mean = (ours.runs[1].average_precision + ours.runs[2].average_precision) / 2
    assert ours.figures.average_precision == pytest.approx(mean)
    assert ours.figures.auc_roc > 0.7
    assert ours.onnx_parity is not None
    assert ours.onnx_parity <= 1e-5
    assert 0 < ours.figures.card_precision <= result.card_precision_ceiling


def test_earlier_weeks_stand_beside_the_tested_one(folder: Path) -> None:
    """A week's figures are those of a scorecard of that week alone, and the mean is theirs."""
    both = run_scorecard(folder, day(21), earlier_weeks=1, seeds=(1,), configuration=SMALL)
    alone = run_scorecard(folder, day(14), seeds=(1,), configuration=SMALL)
    assert [row.test_start for row in both.weeks] == [day(14), day(21)]
    assert both.weeks[:1] == alone.weeks
    assert both.weeks[1].figures == both.models[-1].figures
    assert both.mean_of_weeks is not None
    assert both.mean_of_weeks.average_precision == pytest.approx(
        sum(row.figures.average_precision for row in both.weeks) / 2
    )
    text = io.StringIO()
    print_scorecard(both, Console(file=text, width=120))
    assert "mean of 2 weeks" in text.getvalue()


def test_weeks_that_the_configuration_was_chosen_on_are_marked(tmp_path: Path) -> None:
    """In the file each week says it; in the table it and the mean have a mark, and a note."""
    later = date(2018, 7, 4) - day(21)
    write_days(season(29).with_columns(pl.col("TX_DATETIME") + later), tmp_path)
    found = run_scorecard(
        tmp_path, date(2018, 7, 4), earlier_weeks=1, seeds=(1,), configuration=SMALL
    )
    assert [week.selected_on for week in found.weeks] == [False, True]
    text = io.StringIO()
    print_scorecard(found, Console(file=text, width=120))
    assert "week from 2018-06-27 *" not in text.getvalue()
    assert "week from 2018-07-04 *" in text.getvalue()
    assert "mean of 2 weeks *" in text.getvalue()
    assert "* With weeks of 2018-07-04 to 2018-07-31" in text.getvalue()


def test_the_result_survives_json_with_finite_numbers(result: ScorecardResult) -> None:
    """What is written can be read back, and holds no NaN."""
    text = result.model_dump_json()
    assert "NaN" not in text
    assert ScorecardResult.model_validate_json(text) == result


def test_what_happens_after_the_test_days_changes_nothing(
    folder: Path, result: ScorecardResult, tmp_path: Path
) -> None:
    """Without the files of later days the figures are the same to the last bit."""
    for offset in range(23):
        (tmp_path / f"{day(offset)}.parquet").write_bytes(
            (folder / f"{day(offset)}.parquet").read_bytes()
        )
    assert run_scorecard(tmp_path, day(20), 3, seeds=(1, 2), configuration=SMALL) == result


def test_labels_that_were_not_in_when_testing_began_change_nothing(tmp_path: Path) -> None:
    """Labels of days 14 to 19 come in after day 20: turned to legitimate, they change no figure."""
    frame = season(30)
    hidden = frame["TX_DATETIME"].dt.date().is_between(day(14), day(19))
    write_days(
        frame.with_columns(TX_FRAUD=pl.when(hidden).then(0).otherwise("TX_FRAUD").cast(pl.Int8)),
        tmp_path,
    )
    changed = run_scorecard(tmp_path, day(20), 1, seeds=(1,), configuration=SMALL)
    write_days(frame, tmp_path)
    plain = run_scorecard(tmp_path, day(20), 1, seeds=(1,), configuration=SMALL)
    assert changed == plain


def test_the_table_shows_the_ceiling_and_every_seed(result: ScorecardResult) -> None:
    """A reader sees what a perfect scorer would reach, and that seeds were not picked."""
    text = io.StringIO()
    print_scorecard(result, Console(file=text, width=120))
    assert f"{result.card_precision_ceiling:.3f}" in text.getvalue()
    assert "ours, seed 1" in text.getvalue()
    assert "ours, mean of 2" in text.getvalue()


def test_bad_arguments_are_refused(folder: Path) -> None:
    """No seeds, no days, too early a start and a period beyond the data are errors."""
    with pytest.raises(InvalidSetting, match="seeds"):
        run_scorecard(folder, day(20), 3, seeds=())
    with pytest.raises(InvalidSetting, match="test-days"):
        run_scorecard(folder, day(20), 0)
    with pytest.raises(InvalidSetting, match="earlier-weeks"):
        run_scorecard(folder, day(21), 3, earlier_weeks=1)
    with pytest.raises(InvalidSetting, match="earlier-weeks"):
        run_scorecard(folder, day(21), earlier_weeks=-1)
    with pytest.raises(InvalidFrame, match="must begin"):
        run_scorecard(folder, day(10), 3)
    with pytest.raises(InvalidFrame, match="missing"):
        run_scorecard(folder, day(28), 3)


@pytest.mark.handbook
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_books_week_meets_its_figures_and_our_targets(handbook: Path, tmp_path: Path) -> None:
    """The book's models come out within 0.005 of the book, and ours reaches its targets."""
    path = tmp_path / "figures" / "scorecard.json"
    scorecard(
        handbook,
        test_start=date(2018, 8, 8),
        json_file=path,
        console=Console(file=io.StringIO()),
    )
    result = ScorecardResult.model_validate(json.loads(path.read_text(encoding="utf-8")))
    book = [row for row in result.models if row.published is not None]
    assert [row.name for row in book] == ["Logistic regression", "Random forest"]
    for row in book:
        assert row.published == FIGURES[row.name]
        assert row.difference is not None
        assert row.difference <= TOLERANCE
    ours = result.models[-1]
    assert result.configuration_digest == CONFIGURATION.digest
    assert len(ours.runs) == 3
    assert ours.figures.average_precision >= 0.74
    assert ours.figures.auc_roc >= 0.87
    assert ours.figures.share_of_ceiling >= 0.73
    assert result.earlier_looks is not None
