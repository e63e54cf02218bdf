import numpy as np
import pytest

from cardfraud.models.calibration import PlattCalibration, fit_platt, sigmoid


def test_the_fit_finds_the_curve_that_drew_the_labels() -> None:
    """Labels drawn from sigmoid(0.7 m - 2) give back slope and intercept."""
    rng = np.random.default_rng(0)
    margin = rng.normal(0, 3, 200_000)
    found = fit_platt(margin, rng.random(200_000) < sigmoid(0.7 * margin - 2))
    assert found.slope == pytest.approx(0.7, abs=0.02)
    assert found.intercept == pytest.approx(-2, abs=0.05)


def test_the_scale_of_the_margin_does_not_matter() -> None:
    """Margins a million times larger give a slope a million times smaller."""
    rng = np.random.default_rng(1)
    margin = rng.normal(5, 1, 5_000)
    labels = rng.random(5_000) < sigmoid(margin - 6)
    small, large = fit_platt(margin, labels), fit_platt(margin * 1e6, labels)
    assert large.slope * 1e6 == pytest.approx(small.slope, rel=1e-4)
    assert large.intercept == pytest.approx(small.intercept, rel=1e-4)


def test_separable_margins_give_finite_coefficients() -> None:
    """Perfect separation has no finite likelihood optimum; Platt's targets keep it finite."""
    found = fit_platt(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([False, False, True, True]))
    assert np.isfinite([found.slope, found.intercept]).all()
    assert 0.5 < found.probability(np.array([1.0]))[0] < 1


@pytest.mark.parametrize("direction", [0.0, -1.0])
def test_a_constant_or_reversed_margin_never_turns_the_ranking_round(direction: float) -> None:
    """The slope stays 1 and the mean probability is the share of frauds."""
    rng = np.random.default_rng(2)
    labels = rng.random(5_000) < 0.2
    found = fit_platt(direction * labels.astype(float), labels)
    assert found.slope == 1.0
    p = found.probability(direction * labels.astype(float))
    assert p.mean() == pytest.approx(labels.mean(), abs=0.01)


def test_no_calibration_is_the_identity_on_log_odds() -> None:
    """The default maps a margin to its own probability, without overflow at the ends."""
    p = PlattCalibration().probability(np.array([0.0, 1000.0, -1000.0]))
    assert p.tolist() == [0.5, 1.0, 0.0]
