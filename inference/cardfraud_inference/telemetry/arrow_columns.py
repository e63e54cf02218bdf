"""Arrow's arrays, laid over NumPy's memory.

``pyarrow.array`` would import pandas when it is first called: a second of processor time and 50 MB,
in the middle of serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def numbers(
    values: NDArray[Any], dtype: pa.DataType, *, known: NDArray[np.bool_] | None = None
) -> pa.Array:
    """Numbers of a column; null where they are not known."""
    buffers = [None if known is None else _bits(known), _memory(values)]
    return pa.Array.from_buffers(dtype, values.size, buffers)


def texts(values: Sequence[bytes]) -> pa.Array:
    """Texts, given in UTF-8."""
    ends = np.zeros(len(values) + 1, dtype=np.int32)
    np.cumsum(np.fromiter(map(len, values), dtype=np.int32, count=len(values)), out=ends[1:])
    buffers = [None, _memory(ends), pa.py_buffer(b"".join(values))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def fixed_texts(characters: NDArray[np.uint8]) -> pa.Array:
    """Texts of one length, [N, length] ASCII."""
    rows, length = characters.shape
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
    buffers = [None, _memory(ends), _memory(characters)]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def chosen(places: NDArray[np.int8], choices: Sequence[str]) -> pa.Array:
    """For each place the text that stands there."""
    dictionary = texts([choice.encode() for choice in choices])
    indices = numbers(places, pa.int8())
    return pa.DictionaryArray.from_arrays(indices, dictionary).dictionary_decode()


def lists(values: NDArray[Any], entries: pa.Array) -> pa.Array:
    """Lists of the entries of each row of [N, length] values."""
    rows, length = values.shape
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
    return pa.ListArray.from_arrays(numbers(ends, pa.int32()), entries)


def truths(values: NDArray[np.bool_]) -> pa.Array:
    """Booleans."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _bits(values: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


def _memory(values: NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.ascontiguousarray(values).reshape(-1))
