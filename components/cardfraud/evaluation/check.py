"""One check of the gate."""

from cardfraud.evaluation.result import Result


class Check(Result):
    """One limit and what was found; ``value`` is None where nothing could be measured."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    sentence: str
