"""A card transaction: the record, its rules, and the columns of a table of them.

The same rules check a single record at a server or in a stream (:func:`parse_transaction`) and
whole tables in the validate step, which builds its frame checks from the constants here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cardfraud.contracts.card_numbers import looks_like_card_number
from cardfraud.errors import InvalidField

SCHEMA_VERSION: Final = 1
MAX_ID_LENGTH: Final = 64
MINOR_UNITS: Final = 100
"""Minor units in one unit of the currency; every supported currency has two decimals."""
MAX_AMOUNT: Final = 1_000_000
"""Largest amount of a transaction, in major units."""
MAX_AMOUNT_MINOR: Final = MAX_AMOUNT * MINOR_UNITS
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""An event time outside [EARLIEST, LATEST) is a fault of the source, not a date."""

MAX_AHEAD: Final = timedelta(minutes=5)
"""Live, an event further ahead of the clock than this has not happened: it is refused."""

TRANSACTION_COLUMNS: Final = (
    "transaction_id",
    "event_time",
    "user_id",
    "merchant_id",
    "amount_minor",
    "currency",
    "segment",
)
"""Columns of a table of transactions, in order; ``segment`` may be null, the others may not."""

Currency = Literal["EUR", "USD", "GBP", "CHF", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN"]
"""ISO 4217 codes of the supported currencies, all with two decimals."""

_PLAIN_DECIMAL = re.compile(r"^[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?\Z")


def _opaque(value: str) -> str:
    if looks_like_card_number(value):
        msg = "looks like a card number; send an opaque identifier instead"
        raise ValueError(msg)
    return value


def _no_float_noise(value: Any) -> Any:
    # A JSON number arrives as the float nearest to the decimal that was written; repr gives that
    # decimal back, Decimal(float) would give its binary expansion.
    if isinstance(value, bool):
        msg = "must be a number"
        raise ValueError(msg)  # noqa: TRY004 (pydantic turns ValueError into a field error)
    if isinstance(value, str) and not _PLAIN_DECIMAL.match(value):
        msg = "must be a decimal such as 12.34"
        raise ValueError(msg)
    return Decimal(repr(value)) if isinstance(value, float) else value


def _explicit_offset(value: Any) -> Any:
    if isinstance(value, (int, float)):
        msg = "must be an ISO 8601 string with an offset"
        raise ValueError(msg)  # noqa: TRY004
    return value


def _in_range(value: datetime) -> datetime:
    # Compared before it is converted: the first and the last days there are have no UTC.
    if not EARLIEST <= value < LATEST:
        msg = f"must lie in {EARLIEST:%Y-%m-%d} to {LATEST:%Y-%m-%d}"
        raise ValueError(msg)
    return value.astimezone(UTC)


OpaqueId = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[!-~](?:[ -~]*[!-~])?$"),
    AfterValidator(_opaque),
]
"""An identifier: 1 to 64 printable ASCII characters that do not look like a card number."""


class Transaction(BaseModel):
    """One card transaction as a client sends it.

    ``amount`` is a decimal in major units with at most two decimals; ``amount_minor`` is the same
    as an integer of minor units, which is what everything computes with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, hide_input_in_errors=True)

    transaction_id: OpaqueId
    event_time: Annotated[
        datetime,
        BeforeValidator(_explicit_offset),
        Field(description="When the card was used: ISO 8601 with an offset, microseconds at most."),
        AfterValidator(_in_range),
    ]
    user_id: OpaqueId
    merchant_id: OpaqueId
    amount: Annotated[
        Decimal,
        BeforeValidator(_no_float_noise),
        Field(ge=0, le=MAX_AMOUNT, decimal_places=2, allow_inf_nan=False),
    ]
    currency: Currency | None = None
    segment: (
        Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(_opaque)]
        | None
    ) = None

    @property
    def amount_minor(self) -> int:
        """The amount in minor units (cents)."""
        return int(self.amount * MINOR_UNITS)

    @property
    def event_time_us(self) -> int:
        """The event time in microseconds since 1970-01-01 UTC."""
        return to_microseconds(self.event_time)


TRANSACTION_FIELDS: Final = frozenset(Transaction.model_fields)
_UNKNOWN_TOLD: Final = 10
_TOO_FINE: Final = re.compile(r"[.,]\d{7}")
_DATE: Final = re.compile(r"\s*\d{4}-")
_OFFSET: Final = re.compile(r"(?:Z|z|[+-]\d\d:?\d\d)\s*$")
_WHOLE_SECONDS: Final = 25
"""Characters of a moment in whole seconds with an offset; most are no longer."""


def to_microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970-01-01 UTC of an aware ``moment``, without rounding."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def parse_transaction(record: object, *, index: int = 0) -> Transaction:
    """Check one record against the contract.

    Args:
        record: a mapping as parsed from JSON.
        index: its position in the batch, for the message.

    Raises:
        InvalidField: the first field that is missing, unknown or wrong.
    """
    faults = transaction_faults(record, index=index)
    if isinstance(faults, Transaction):
        return faults
    raise faults[0]


def transaction_faults(record: object, *, index: int = 0) -> Transaction | list[InvalidField]:
    """Return the transaction, or every fault of the record; never both."""
    if not isinstance(record, dict):
        return [InvalidField("", "must be an object", index=index)]
    wrong = _moment_fault(record.get("event_time"), index)
    if wrong is not None:  # the others are told too, as if this one were right
        others = transaction_faults({**record, "event_time": EARLIEST}, index=index)
        return [wrong] if isinstance(others, Transaction) else [wrong, *others]
    unknown: list[InvalidField] = []
    if len(record) > len(TRANSACTION_FIELDS):
        names = [name for name in record if name not in TRANSACTION_FIELDS]
        unknown = unknown_fields(names, "there is no such field", index=index)
        record = {name: record[name] for name in TRANSACTION_FIELDS if name in record}
    try:
        transaction = Transaction.model_validate(record)
    except ValidationError as error:
        return unknown + [
            InvalidField(
                ".".join(str(part) for part in fault["loc"]),
                fault["msg"].removeprefix("Value error, "),
                index=index,
            )
            for fault in error.errors(include_input=False, include_url=False)
        ]
    return unknown or transaction


def _moment_fault(when: object, index: int) -> InvalidField | None:
    """What is wrong with a time that pydantic would take for another one."""
    reason = None
    if isinstance(when, str):
        if not _DATE.match(when):
            reason = "must be an ISO 8601 string with an offset"
        elif not _OFFSET.search(when):
            reason = "needs an offset, such as Z or +02:00"
        elif len(when) > _WHOLE_SECONDS and _TOO_FINE.search(when):
            reason = "microseconds at most"
    elif isinstance(when, datetime) and when.tzinfo is None:
        reason = "needs a time zone"
    return None if reason is None else InvalidField("event_time", reason, index=index)


def unknown_fields(names: Sequence[str], reason: str, *, index: int = 0) -> list[InvalidField]:
    """Return the faults of fields that mean nothing, however many a sender makes up.

    Args:
        names: of the fields.
        reason: for each of them.
        index: position of the record in its batch.

    Returns:
        One fault for each of the first ten, and one without a name that tells how many more.
    """
    faults = [InvalidField(str(name), reason, index=index) for name in names[:_UNKNOWN_TOLD]]
    if more := len(names) - len(faults):
        faults.append(InvalidField("", f"{more} more fields: {reason}", index=index))
    return faults
