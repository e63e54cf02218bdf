import io
from pathlib import Path

import pytest
from rich.console import Console

from cardfraud.errors import InvalidSetting
from cardfraud_pipelines.imbalance.command import imbalance, imbalance_table
from cardfraud_pipelines.imbalance.result import ImbalanceResult
from cardfraud_pipelines.imbalance.run import compare_treatments
from cardfraud_pipelines.imbalance.treatments import TREATMENTS
from tests.cardfraud_pipelines.scorecard.synthetic import day, season, write_days

SMALL = {
    "logistic_regression": {"max_iterations": 3000},
    "gradient_boosting": {"trees": 15, "min_samples_leaf": 10},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty-five days of data."""
    path = tmp_path_factory.mktemp("season")
    write_days(season(35), path)
    return path


@pytest.fixture(scope="module")
def result(folder: Path) -> ImbalanceResult:
    """Two estimators, all treatments, two test periods."""
    return compare_treatments(folder, (day(28), day(32)), test_days=3, estimators=SMALL)


def test_every_combination_is_there_once(result: ImbalanceResult) -> None:
    """Each estimator, treatment and week has one run, each of the first two one summary."""
    expected = {(e, t, w) for e in SMALL for t in TREATMENTS for w in (day(28), day(32))}
    assert {(r.estimator, r.treatment, r.week) for r in result.runs} == expected
    assert len(result.runs) == len(expected)
    kinds = [(s.estimator, s.treatment) for s in result.summaries]
    assert kinds == [(e, t) for e in SMALL for t in TREATMENTS]


def test_gains_are_against_the_untreated_fit_of_the_same_week(result: ImbalanceResult) -> None:
    """Without treatment nothing is gained; elsewhere the mean gain is the difference of means."""
    for summary in result.summaries:
        base = next(
            s for s in result.summaries if (s.estimator, s.treatment) == (summary.estimator, "none")
        )
        expected = summary.average_precision.mean - base.average_precision.mean
        assert summary.gained.mean == pytest.approx(expected)
        assert summary.gained.low <= summary.gained.mean <= summary.gained.high
    assert result.summaries[0].gained.high == 0.0


def test_weights_spoil_probabilities_and_calibration_mends_them(result: ImbalanceResult) -> None:
    """Balanced weights raise probabilities far above the share; Platt's curve brings them back.

    Brier score and calibration error say the same.
    """
    share = sum(result.test_frauds.values()) / sum(result.test_rows.values())
    (weighted,) = (
        summary
        for summary in result.summaries
        if (summary.estimator, summary.treatment) == ("gradient_boosting", "class weights")
    )
    raw, calibrated = weighted.probabilities["raw"], weighted.probabilities["calibrated"]
    assert raw.mean > 2 * share
    assert calibrated.mean == pytest.approx(share, rel=0.5)
    assert calibrated.brier < raw.brier
    assert calibrated.calibration_error < raw.calibration_error


def test_only_the_rows_to_fit_on_are_treated(result: ImbalanceResult) -> None:
    """Fitted rows differ by treatment; test rows are one number for a week."""
    first = {r.treatment: r for r in result.runs if r.week == day(28)}
    assert first["undersampling"].fitted_rows < first["none"].fitted_rows
    assert first["undersampling"].fitted_frauds == first["none"].fitted_frauds
    assert first["oversampling"].fitted_rows > first["none"].fitted_rows
    assert result.test_rows[day(28)] > 0


def test_the_table_has_a_row_for_each_and_json_reads_back(
    folder: Path, result: ImbalanceResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command prints what it writes; the file is the result."""
    assert len(imbalance_table(result).rows) == len(result.summaries)
    monkeypatch.setattr(
        "cardfraud_pipelines.imbalance.command.compare_treatments", lambda *_, **__: result
    )
    printed = io.StringIO()
    target = tmp_path / "deep" / "imbalance.json"
    imbalance(folder, (day(28),), json_file=target, console=Console(file=printed, width=200))
    assert ImbalanceResult.model_validate_json(target.read_text(encoding="utf-8")) == result
    assert printed.getvalue().count("undersampling") == len(SMALL)


def test_without_weeks_or_seeds_there_is_nothing_to_compare(folder: Path) -> None:
    """Both are named when they are missing."""
    with pytest.raises(InvalidSetting, match="weeks"):
        compare_treatments(folder, ())
    with pytest.raises(InvalidSetting, match="seeds"):
        compare_treatments(folder, (day(28),), seeds=())
