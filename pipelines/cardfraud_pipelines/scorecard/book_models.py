"""The two models of the book's set-up that are run again here."""

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

LOGISTIC_REGRESSION = "Logistic regression"
RANDOM_FOREST = "Random forest"


def book_models() -> dict[str, Pipeline]:
    """Return the book's models by their names in its table; both scale, as the book does."""
    # One thread: with more, scikit-learn's workers now and then find the list of warning filters
    # empty while another one has it in hand, and warn of that.
    models: dict[str, ClassifierMixin] = {
        LOGISTIC_REGRESSION: LogisticRegression(random_state=0),
        RANDOM_FOREST: RandomForestClassifier(random_state=0, n_jobs=1),
    }
    return {name: make_pipeline(StandardScaler(), model) for name, model in models.items()}


def fit_and_score(
    model: Pipeline,
    features: NDArray[np.float64],
    labels: NDArray[np.bool_],
    tested: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fit on ``features`` ``[N, F]`` and return the fraud probability of ``tested`` ``[M, F]``."""
    model.fit(features, labels)
    probability: NDArray[np.float64] = model.predict_proba(tested)[:, 1]
    return probability
