"""A scoring request and its answer, as REST v1 carries them.

The same answer travels in v2 and gRPC as the ``detail`` output, one JSON text an instance.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from cardfraud.contracts.frozen import Frozen
from cardfraud.contracts.policy import Decision
from cardfraud.contracts.transactions import Transaction, transaction_faults
from cardfraud.errors import InvalidField, InvalidInput

MAX_INSTANCES: Final = 1_000
MAX_BODY_BYTES: Final = 1_000_000


class ModelVersion(Frozen):
    """Which model answered."""

    name: str
    version: str
    """Bundle digest."""
    track: str


class PolicyVersion(Frozen):
    """Which policy decided."""

    version: str


class FeatureHealth(Frozen):
    """How good the features behind an answer were.

    Attributes:
        age_seconds: event time less the moment up to which the oldest state used was complete;
            null where no state was found.
        missing: entities that the store does not know (a cold start, not a fault).
        stale: state views older than their time to live, replaced by defaults.
        degraded: the answer rests on less than it should.
        late: the user's state already holds something that happened after the transaction. Streamed
            events that follow it within its own day cannot always be told apart from those before
            it, and a daily state written after its day holds that whole day, so that the user's
            features may know of its future. A few seconds out of order are normal and no fault; a
            replay of past transactions against today's state is late throughout.
    """

    age_seconds: float | None
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    degraded: bool = False
    late: bool = False


class Prediction(Frozen):
    """The answer to one instance; ``probability`` is null when rules alone decided."""

    transaction_id: str
    probability: Annotated[float, Field(ge=0, le=1)] | None
    decision: Decision
    reasons: tuple[str, ...] = ()
    model: ModelVersion
    policy: PolicyVersion
    features: FeatureHealth


class TooLarge(InvalidInput):
    """A request with more instances or bytes than one request may have."""

    status = 413

    def __init__(self, what: str, limit: int, actual: int) -> None:
        """Build the message from what was counted, the limit and the count."""
        self.limit = limit
        self.actual = actual
        super().__init__(f"{actual} {what}, at most {limit} are allowed", hint="split the request")


class InvalidInstances(InvalidInput):
    """One or more instances break the contract; nothing was scored.

    Attributes:
        faults: every fault that was found, at most 100.
    """

    def __init__(self, faults: list[InvalidField]) -> None:
        """Build the message from the first fault and their number."""
        self.faults = faults[:100]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0].message}{more}")

    def details(self) -> list[dict[str, str | int]]:
        """The faults as the answer's body carries them: {index, field, reason}."""
        return [
            {"index": fault.index, "field": fault.field, "reason": fault.reason}
            for fault in self.faults
        ]


def parse_instances(payload: object) -> list[Transaction]:
    """Check a v1 body, ``{"instances": [transaction, ...]}``.

    Raises:
        TooLarge: more than ``MAX_INSTANCES``.
        InvalidInstances: any instance is wrong, or an id stands twice; nothing is returned then.
        InvalidInput: the body is not of this form.
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("instances"), list):
        message = 'the body must be {"instances": [...]}'
        raise InvalidInput(message)
    if len(payload) > 1:
        unknown = min(str(key) for key in payload if key != "instances")
        message = f"unknown key {unknown!r} beside instances"
        raise InvalidInput(message)
    instances = payload["instances"]
    if not instances:
        message = "instances is empty"
        raise InvalidInput(message, hint="send at least one transaction")
    if len(instances) > MAX_INSTANCES:
        what = "instances"
        raise TooLarge(what, MAX_INSTANCES, len(instances))
    return check_instances(instances)


def check_instances(instances: list[object]) -> list[Transaction]:
    """Check every instance and that no transaction id stands twice.

    Raises:
        InvalidInstances: with all faults of all instances.
    """
    transactions: list[Transaction] = []
    faults: list[InvalidField] = []
    seen: dict[str, int] = {}
    for index, instance in enumerate(instances):
        outcome = transaction_faults(instance, index=index)
        if not isinstance(outcome, Transaction):
            faults += outcome
            continue
        first = seen.setdefault(outcome.transaction_id, index)
        if first != index:
            reason = f"stands already in instance {first}"
            faults.append(InvalidField("transaction_id", reason, index=index))
        transactions.append(outcome)
    if faults:
        raise InvalidInstances(faults)
    return transactions
