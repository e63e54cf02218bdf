"""Which of several candidates goes on to evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from cardfraud.contracts.candidate import Candidate
from cardfraud.errors import InvalidSetting


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the highest average precision on the validation rows.

    A :class:`Candidate` holds nothing that was measured on test rows, so they cannot have a say.
    Of equals the first counts: list the simpler estimator first.

    Raises:
        InvalidSetting: there is none, or they were not measured on the same validation period.
    """
    if not candidates:
        raise InvalidSetting("candidates", "none to choose from")
    first = candidates[0]
    for candidate in candidates[1:]:
        if (candidate.split, candidate.validation) != (first.split, first.validation):
            raise InvalidSetting(
                "candidates",
                f"{candidate.algorithm} and {first.algorithm} were validated on different rows",
            )
    return max(candidates, key=lambda candidate: candidate.validation_average_precision)
