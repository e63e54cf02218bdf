"""How the columns of a source become transactions and labels: by name, never by position.

A mapping file is YAML or JSON::

    columns:
      transaction_id: id
      event_time: booked
      user_id: card
      merchant_id: shop
      amount: value
      is_fraud: fraud        # optional, as are reported_at, currency and segment
    zone: Europe/Zurich      # of times without an offset
    amount_unit: major
    currency: CHF            # where no column says it
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from cardfraud.contracts.frozen import Frozen
from cardfraud.contracts.labels import LABEL_DELAY
from cardfraud.contracts.transactions import Currency
from cardfraud.errors import InvalidSetting

Name = Annotated[str, Field(min_length=1, max_length=200)]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        msg = f"{name!r} is not an IANA time zone"
        raise ValueError(msg)
    return name


class Columns(Frozen):
    """Names of the source's columns; the optional ones may be absent from the source.

    Attributes:
        transaction_id: texts or integers.
        event_time: timestamps, ISO 8601 texts, or integers with :attr:`Mapping.epoch_unit`; with
            nothing below the microsecond.
        user_id: texts or integers.
        merchant_id: texts or integers.
        amount: numbers, or texts of numbers.
        is_fraud: booleans, 0 and 1, or texts of these; an empty cell means not known yet.
        reported_at: when the label became known, as ``event_time``.
        currency: ISO 4217 codes.
        segment: any text.
    """

    transaction_id: Name
    event_time: Name
    user_id: Name
    merchant_id: Name
    amount: Name
    is_fraud: Name | None = None
    reported_at: Name | None = None
    currency: Name | None = None
    segment: Name | None = None

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        names = self.named()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"column {twice[0]!r} is named for two fields"
            raise ValueError(msg)
        return self

    def named(self) -> list[str]:
        """All columns that the source must have."""
        return [name for name in self.model_dump().values() if name is not None]


class Mapping(Frozen):
    """How a source's columns are read.

    Attributes:
        columns: their names.
        zone: IANA zone of times that carry no offset. Where a clock is set back, the earlier of the
            two moments is taken; a time that a clock skipped is no time.
        epoch_unit: unit of integer times since 1970-01-01 UTC.
        amount_unit: major (1.00 is one euro) or minor (100 is one euro).
        currency: where there is no column, or the cell is empty.
        label_delay: reported_at less event_time where the source does not say.
    """

    columns: Columns
    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    epoch_unit: Literal["s", "ms", "us"] | None = None
    amount_unit: Literal["major", "minor"] = "major"
    currency: Currency = "EUR"
    label_delay: Annotated[timedelta, Field(ge=timedelta(0))] = LABEL_DELAY


HANDBOOK: Final = Mapping(
    columns=Columns(
        transaction_id="TRANSACTION_ID",
        event_time="TX_DATETIME",
        user_id="CUSTOMER_ID",
        merchant_id="TERMINAL_ID",
        amount="TX_AMOUNT",
        is_fraud="TX_FRAUD",
    )
)
"""The simulated transactions of the Fraud Detection Handbook (chapter 3): naive times, taken as
UTC, and no currency, taken as EUR."""


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file; JSON is YAML too.

    Raises:
        InvalidSetting: it cannot be read, or does not describe a mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidSetting(path.name, f"cannot be read: {error}") from error
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "mapping"
        raise InvalidSetting(f"{path.name}: {where}", fault["msg"]) from error
