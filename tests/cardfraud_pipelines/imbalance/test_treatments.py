import numpy as np
import pytest

from cardfraud.models.training import fit
from cardfraud_pipelines.imbalance.treatments import REST_PER_FRAUD, TREATMENTS, smote
from tests.cardfraud.models.data import rows

ROWS = rows(20_000, 5)
RARE = ~ROWS.y | (np.random.default_rng(0).random(len(ROWS.y)) < 0.1)
X, Y = ROWS.x[RARE], ROWS.y[RARE]
FRAUDS, REST = int(Y.sum()), int((~Y).sum())
TREATED = {name: treatment(X, Y, 1) for name, treatment in TREATMENTS.items()}


def test_each_treatment_gives_the_share_that_it_promises() -> None:
    """One fraud for ten others where rows are drawn; the weights give both classes one total."""
    assert REST > 20 * FRAUDS
    for name in ("undersampling", "oversampling", "SMOTE"):
        labels = TREATED[name].labels
        assert int((~labels).sum()) / int(labels.sum()) == pytest.approx(REST_PER_FRAUD, rel=0.01)
    assert TREATED["class weights"].weight == pytest.approx(REST / FRAUDS)
    assert np.array_equal(TREATED["none"].labels, Y)


def test_undersampling_keeps_every_fraud_and_no_row_twice() -> None:
    """What it keeps are rows as they were."""
    treated = TREATED["undersampling"]
    assert np.array_equal(treated.features[treated.labels], X[Y])
    rest = treated.features[~treated.labels]
    assert len(np.unique(rest, axis=0)) == len(rest)


def test_oversampling_repeats_frauds_only() -> None:
    """The rows as they were come first; those that were added are frauds among them."""
    treated = TREATED["oversampling"]
    assert np.array_equal(treated.features[: len(Y)], X)
    assert treated.labels[len(Y) :].all()
    known = {row.tobytes() for row in X[Y]}
    assert {row.tobytes() for row in treated.features[len(Y) :]} <= known


def test_synthetic_frauds_lie_between_frauds() -> None:
    """SMOTE adds no value beyond those of the frauds, and hardly any row that was there."""
    made = TREATED["SMOTE"].features[len(Y) :]
    assert (made >= X[Y].min(axis=0)).all()
    assert (made <= X[Y].max(axis=0)).all()
    known = {row.tobytes() for row in X[Y]}
    assert np.mean([row.tobytes() in known for row in made]) < 0.05
    assert made.dtype == np.float32


def test_a_single_fraud_can_only_be_repeated() -> None:
    """It has no neighbour to lie between."""
    labels = np.arange(100) == 3
    treated = smote(X[:100], labels, 1)
    assert (treated.features[treated.labels] == X[3]).all()


@pytest.mark.parametrize("frauds", [2, 3, 6, 7])
def test_few_frauds_have_as_many_neighbours_as_there_are(frauds: int) -> None:
    """From two frauds on, rows are made between them, on every line that joins two of them."""
    labels = np.arange(1_000) < frauds
    treated = smote(X[:1_000], labels, 1)
    made = treated.features[1_000:]
    assert len(made) == (1_000 - frauds) // REST_PER_FRAUD - frauds
    known = {row.tobytes() for row in X[:frauds]}
    assert {row.tobytes() for row in made}.isdisjoint(known)
    assert (made >= X[:frauds].min(axis=0)).all()
    assert (made <= X[:frauds].max(axis=0)).all()


@pytest.mark.parametrize("name", ["class weights", "undersampling", "oversampling"])
def test_the_correction_puts_the_prior_back(name: str) -> None:
    """The mean probability of a fitted linear model becomes the share of frauds again."""
    treated = TREATED[name]
    model = fit(
        "logistic_regression",
        treated.features,
        treated.labels,
        params={"positive_weight": treated.weight},
    )
    margin = model.core.margin(X)
    plain = 1 / (1 + np.exp(-margin))
    corrected = 1 / (1 + np.exp(-(margin - np.log(treated.odds))))
    assert plain.mean() > 3 * Y.mean()
    assert corrected.mean() == pytest.approx(Y.mean(), rel=0.25)


@pytest.mark.parametrize("name", TREATMENTS)
def test_the_same_seed_draws_the_same_rows(name: str) -> None:
    """A treatment depends on its seed and on nothing else."""
    again = TREATMENTS[name](X, Y, 1)
    assert np.array_equal(again.features, TREATED[name].features)
    assert np.array_equal(again.labels, TREATED[name].labels)
    if name in {"undersampling", "oversampling", "SMOTE"}:
        assert not np.array_equal(TREATMENTS[name](X, Y, 2).features, again.features)
