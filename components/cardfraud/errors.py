"""The one tree of errors of the library.

::

    CardfraudError
    ├── InvalidInput            what came in breaks a contract; the sender can mend it
    │   ├── InvalidField        one named field of one record
    │   ├── InvalidFrame        a whole table: a column is missing, a file is unreadable
    │   └── InvalidSetting      a setting or a parameter
    ├── DataRejected            the data as a whole fails a limit; the run stops
    ├── Unavailable             an outside part does not answer; trying again may help
    ├── NotFound                an object, an alias or a version does not exist
    ├── Conflict                somebody else wrote first
    └── IntegrityError          bytes are not the bytes that were promised

Every error is made from typed fields, has a message bounded in length, and may carry a hint that
says what to do. ``status`` is the HTTP status a server answers with; ``retryable`` says whether
the same call may succeed later.
"""

from __future__ import annotations

from typing import ClassVar

MAX_MESSAGE = 500
"""No message is longer than this many characters, whatever was put into it."""


def shorten(value: object, limit: int = 80) -> str:
    """Return ``repr(value)``, cut to ``limit`` characters, for use inside a message."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class CardfraudError(Exception):
    """Base of every error that the library raises on purpose."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        """Keep the bounded ``message`` and the ``hint`` that says what to do."""
        self.message = message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        """Return the message, with the hint on the same line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInput(CardfraudError):
    """What came in breaks a contract."""

    status = 400


class InvalidField(InvalidInput):
    """One field of one record is missing or wrong.

    Attributes:
        index: position of the record in its batch, from 0.
        field: name of the field.
        reason: what is wrong with it, in words.
    """

    def __init__(self, field: str, reason: str, *, index: int = 0) -> None:
        """Build the message from the position, the field and the reason."""
        self.index = index
        # An unknown field's name is whatever the sender wrote.
        self.field = field if len(field) <= 100 else f"{field[:99]}…"
        self.reason = reason if len(reason) <= 200 else f"{reason[:199]}…"
        super().__init__(f"record {index}: {self.field}: {self.reason}")


class InvalidFrame(InvalidInput):
    """A table or a file cannot be used at all."""

    def __init__(self, source: str, reason: str, *, hint: str = "") -> None:
        """Build the message from the name of the source and the reason."""
        self.source = source
        self.reason = reason
        super().__init__(f"{source}: {reason}", hint=hint)


class InvalidSetting(InvalidInput):
    """A setting or a parameter has a value that cannot be used."""

    def __init__(self, setting: str, reason: str, *, hint: str = "") -> None:
        """Build the message from the name of the setting and the reason."""
        self.setting = setting
        self.reason = reason
        super().__init__(f"{setting}: {reason}", hint=hint)


class DataRejected(CardfraudError):
    """The data as a whole breaks a limit, so the run stops before anything is made of it.

    Attributes:
        failures: one sentence for each limit that was broken.
    """

    status = 422

    def __init__(self, source: str, failures: list[str], *, hint: str = "") -> None:
        """Build the message from the first few failures."""
        self.source = source
        self.failures = failures
        more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
        super().__init__(f"{source} rejected: {'; '.join(failures[:3])}{more}", hint=hint)


class Unavailable(CardfraudError):
    """An outside part does not answer."""

    status = 503
    retryable = True

    def __init__(self, part: str, reason: str, *, hint: str = "") -> None:
        """Build the message from the name of the part and the reason."""
        self.part = part
        self.reason = reason
        super().__init__(f"{part} is unavailable: {reason}", hint=hint)


class NotFound(CardfraudError):
    """An object, an alias or a version does not exist."""

    status = 404

    def __init__(self, kind: str, name: str, *, hint: str = "") -> None:
        """Build the message from the kind of thing and its name."""
        self.kind = kind
        self.name = name
        super().__init__(f"{kind} {shorten(name, 200)} not found", hint=hint)


class Conflict(CardfraudError):
    """Somebody else wrote the same key first."""

    status = 409
    retryable = True

    def __init__(self, key: str, reason: str, *, hint: str = "") -> None:
        """Build the message from the key and the reason."""
        self.key = key
        self.reason = reason
        super().__init__(f"{shorten(key, 200)}: {reason}", hint=hint)


class IntegrityError(CardfraudError):
    """Bytes are not the bytes that were promised."""

    def __init__(self, name: str, expected: str, actual: str, *, hint: str = "") -> None:
        """Build the message from the name of the thing and both digests or values."""
        self.name = name
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"{shorten(name, 200)}: expected {shorten(expected)}, got {shorten(actual)}", hint=hint
        )
