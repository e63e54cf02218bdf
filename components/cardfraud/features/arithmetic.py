"""Two kinds of numbers for one set of formulas: columns of a table, and the one row of a request.

An operation on an array of one number takes a hundred times as long as the same on a float. So the
formulas of ``cardfraud.features.values`` are written once and computed with either; both are IEEE
754 doubles with the same operations in the same order, and agree to the last bit.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final, Protocol

import numpy as np

Number = Any
"""An int or a float, or an array [N] of either; a formula is computed with one kind throughout."""
Truth = Any
"""A bool, or an array [N] of them."""

_SINGLE: Final = struct.Struct("<f")


class Arithmetic(Protocol):
    """What formulas need beside the operators that both kinds have."""

    def double(self, value: Number | Truth) -> Number:
        """Return the same in 64 bits."""

    def single(self, value: Number) -> Number:
        """Round to 32 bits, and return that in 64."""

    def ratio(self, numerator: Number, denominator: Number) -> Number:
        """Divide; where the denominator is 0 there is no value, which is NaN."""

    def where(self, condition: Truth, value: Number) -> Number:
        """Return the value in 64 bits where the condition holds, and NaN elsewhere."""

    def at_least(self, value: Number, least: float) -> Number:
        """Return the larger of two."""

    def root(self, value: Number) -> Number:
        """Return the square root."""

    def filled(self, value: Number, default: float) -> Number:
        """Return the default where there is no value."""


class Columns:
    """Arrays [N]."""

    def double(self, value: Number | Truth) -> Number:
        """Return the same in 64 bits."""
        return value.astype(np.float64)

    def single(self, value: Number) -> Number:
        """Round to 32 bits, and return that in 64."""
        return value.astype(np.float32).astype(np.float64)

    def ratio(self, numerator: Number, denominator: Number) -> Number:
        """Divide; where the denominator is 0 there is no value, which is NaN."""
        # A division by NaN is NaN and warns of nothing; masked division takes twice as long.
        return np.true_divide(numerator, np.where(denominator != 0, denominator, np.nan))

    def where(self, condition: Truth, value: Number) -> Number:
        """Return the value in 64 bits where the condition holds, and NaN elsewhere."""
        return np.where(condition, np.asarray(value, dtype=np.float64), np.nan)

    def at_least(self, value: Number, least: float) -> Number:
        """Return the larger of two."""
        return np.maximum(value, least)

    def root(self, value: Number) -> Number:
        """Return the square root."""
        return np.sqrt(value)

    def filled(self, value: Number, default: float) -> Number:
        """Return the default where there is no value."""
        return np.where(np.isnan(value), default, value)


class Row:
    """Python's numbers. Integers are below 2**53, so that they divide as the doubles they equal."""

    def double(self, value: Number | Truth) -> Number:
        """Return the same in 64 bits."""
        return float(value)

    def single(self, value: Number) -> Number:
        """Round to 32 bits, and return that in 64."""
        return _SINGLE.unpack(_SINGLE.pack(value))[0]

    def ratio(self, numerator: Number, denominator: Number) -> Number:
        """Divide; where the denominator is 0 there is no value, which is NaN."""
        return numerator / denominator if denominator else math.nan

    def where(self, condition: Truth, value: Number) -> Number:
        """Return the value in 64 bits where the condition holds, and NaN elsewhere."""
        return float(value) if condition else math.nan

    def at_least(self, value: Number, least: float) -> Number:
        """Return the larger of two."""
        return max(value, least)

    def root(self, value: Number) -> Number:
        """Return the square root."""
        return math.sqrt(value)

    def filled(self, value: Number, default: float) -> Number:
        """Return the default where there is no value."""
        return default if math.isnan(value) else value


COLUMNS: Final = Columns()
ROW: Final = Row()
