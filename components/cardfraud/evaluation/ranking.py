"""Metrics of rankings: several queries, each with its own items."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cardfraud.evaluation.inputs import column, labels_and_scores
from cardfraud.evaluation.result import Result


class RankingMetrics(Result):
    """Means over the queries that hold at least one relevant item; None where none does.

    ``precision_at_k`` is the share of relevant items on the first ``k`` places, filled or not;
    None, too, where all places count.
    """

    queries: int
    queries_without_relevant: int
    ndcg: float | None
    mean_average_precision: float | None
    mean_reciprocal_rank: float | None
    precision_at_k: float | None


def ranking_metrics(
    queries: ArrayLike, relevant: ArrayLike, scores: ArrayLike, *, k: int | None = None
) -> RankingMetrics:
    """Measure how high the relevant items of each query are ranked.

    For fraud a query is a day, its items are that day's cards. Of equal scores NDCG takes the
    mean over all orders, and average precision puts them on one place, the last of theirs, so that
    neither depends on the order of the rows; reciprocal rank and precision rank them in that order.

    Args:
        queries: ``[N]`` identifiers of the query of each item.
        relevant: ``[N]``, true or 1 is relevant.
        scores: ``[N]``, higher is ranked first.
        k: only the first ``k`` items count for NDCG and precision; None counts all.

    Raises:
        InvalidFrame: the arrays do not fit together.
    """
    y, s = labels_and_scores(relevant, scores)
    names, query = np.unique(column("queries", queries, len(y)), return_inverse=True)
    rows = [_one_query(y[query == q], s[query == q], k) for q in range(len(names))]
    used = [row for row in rows if row is not None]
    ndcg, average, reciprocal, precision = np.mean(used, axis=0).tolist() if used else [None] * 4
    return RankingMetrics(
        queries=len(names),
        queries_without_relevant=len(names) - len(used),
        ndcg=ndcg,
        mean_average_precision=average,
        mean_reciprocal_rank=reciprocal,
        precision_at_k=None if k is None else precision,
    )


def _one_query(
    relevant: NDArray[np.bool_], scores: NDArray[np.float64], k: int | None
) -> tuple[float, float, float, float] | None:
    from sklearn.metrics import average_precision_score, ndcg_score

    if not relevant.any():
        return None
    # scikit-learn refuses to rank a single item; one relevant item alone is ranked perfectly.
    ndcg = 1.0 if len(relevant) == 1 else float(ndcg_score([relevant], [scores], k=k))
    ranked = relevant[np.argsort(-scores, kind="stable")]
    average = float(average_precision_score(relevant, scores))
    precision = float(ranked[:k].sum()) / (k or len(ranked))
    return ndcg, average, 1.0 / (int(np.argmax(ranked)) + 1), precision
