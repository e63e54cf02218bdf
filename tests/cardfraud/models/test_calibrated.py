"""The part of the battery that is about calibration."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from cardfraud.evaluation.calibration import brier_score, expected_calibration_error
from cardfraud.models.parity import TOLERANCE, require_parity
from tests.cardfraud.models.data import NAMES
from tests.cardfraud.models.small import TEST, VALIDATION, train

WEIGHTED = {"positive_weight": "balanced"}


@pytest.mark.parametrize("weight", [1.0, "balanced"])
def test_calibration_keeps_the_ranking(name: str, weight: object) -> None:
    """The curve rises: calibrated scores stand in the order of the estimator's own.

    Rounding to float32 may make equals of neighbours, but turns none round.
    """
    params = {"positive_weight": weight}
    plain = train(name, params=params, validation=None).predict_probability(TEST.x)
    calibrated = train(name, params=params).predict_probability(TEST.x)
    order = np.argsort(plain, kind="stable")
    assert (np.diff(calibrated[order]) >= -1e-7).all()
    assert len(np.unique(calibrated)) > 0.9 * len(np.unique(plain))


def test_calibration_lowers_the_loss_of_a_weighted_model_on_later_rows(name: str) -> None:
    """Log loss, Brier score and calibration error fall on rows that neither fit has seen."""
    plain = train(name, params=WEIGHTED, validation=None).predict_probability(TEST.x)
    calibrated = train(name, params=WEIGHTED).predict_probability(TEST.x)
    for measure in (log_loss, brier_score, expected_calibration_error):
        assert measure(TEST.y, calibrated) < measure(TEST.y, plain), measure.__name__


def test_calibration_does_no_harm_to_a_model_that_needs_none(name: str) -> None:
    """Where the estimator's own probabilities are sound, the loss stays within two percent."""
    plain = train(name, validation=None).predict_probability(TEST.x)
    calibrated = train(name).predict_probability(TEST.x)
    assert log_loss(TEST.y, calibrated) < 1.02 * log_loss(TEST.y, plain)


def test_the_mean_probability_of_the_calibrated_rows_is_their_share_of_frauds(name: str) -> None:
    """The intercept of a logistic fit makes both equal, but for Platt's smoothed targets."""
    p = train(name, params=WEIGHTED).predict_probability(VALIDATION.x)
    assert p.mean() == pytest.approx(VALIDATION.y.mean(), abs=1e-3)


def test_calibration_is_inside_the_graph(name: str) -> None:
    """The graph of a calibrated model gives calibrated probabilities, on every row."""
    calibrated = train(name, params=WEIGHTED)
    assert require_parity(calibrated, calibrated.to_onnx(NAMES), TEST.x) <= TOLERANCE
