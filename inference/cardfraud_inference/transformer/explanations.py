"""What the model says for a decision that is not approve, as far as there is time for it.

The model is asked about every coalition of concepts, a hundred rows or so for a transaction; see
``cardfraud.scoring.contributions``. Most transactions are approved and cost nothing here. When the
time is spent the answer goes out without contributions: a decision never waits for its reasons.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from cardfraud.contracts.policy import Decision
from cardfraud.contracts.scoring import MAX_INSTANCES
from cardfraud.scoring.assembly import Assembly
from cardfraud.scoring.contributions import Explainer
from cardfraud.scoring.decision import Verdict
from cardfraud.scoring.reasons import explain
from cardfraud_inference.telemetry import metrics
from cardfraud_inference.transformer.predictor_client import PredictorFailed
from cardfraud_inference.transformer.probabilities import Probabilities
from cardfraud_inference.transport.request import current

_log = structlog.stdlib.get_logger(__name__)

_APPROVE: Final = Decision.APPROVE


class Explanations:
    """Asks one model why."""

    def __init__(self, explainer: Explainer, model: Probabilities, timeout_s: float) -> None:
        """Take what to ask, whom to ask, and how long all answers of a request may take."""
        self._explainer = explainer
        self._model = model
        self._timeout_s = timeout_s
        self._at_once = max(1, MAX_INSTANCES // len(explainer.own))

    async def added(
        self, verdicts: Sequence[Verdict], assembly: Assembly, vector: NDArray[np.float32]
    ) -> list[Verdict]:
        """Return the verdicts of scored transactions, with contributions where there was time.

        Args:
            verdicts: N verdicts.
            assembly: the features of the N transactions.
            vector: [N, F] float32, what the model was asked, in the signature's order.
        """
        result = list(verdicts)
        wanted = [place for place, one in enumerate(verdicts) if one.decision is not _APPROVE]
        done = 0
        kind = "late"
        try:
            async with asyncio.timeout(self._timeout_s):
                while done < len(wanted):
                    places = wanted[done : done + self._at_once]
                    answers = await self._ask(vector[places])
                    for place, probabilities in zip(places, answers, strict=True):
                        said = explain(self._explainer, probabilities, assembly.row(place))
                        result[place] = verdicts[place].explained(said)
                    done += len(places)
        except TimeoutError:
            pass
        except PredictorFailed:
            kind = "error"
        except Exception:  # noqa: BLE001 (whatever goes wrong here, the decision stands)
            _log.exception("a decision could not be explained")
            kind = "error"
        if done < len(wanted):
            metrics.UNEXPLAINED.labels(kind).inc(len(wanted) - done)
        return result

    async def _ask(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of all coalitions of K rows, [K, 2**G] float32."""
        asked = np.concatenate([self._explainer.coalitions(row) for row in rows])
        scores = await self._model.score_aside(asked, current().headers)
        return scores.reshape(len(rows), -1)
