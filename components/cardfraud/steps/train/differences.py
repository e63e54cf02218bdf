"""Two records of runs, compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cardfraud.contracts.frozen import Frozen

ABSENT: Final = "absent"
# What comes out of a fit says nothing about why two fits differ.
_OUTCOMES: Final = frozenset({"parity", "parameters.calibration"})


class Difference(Frozen):
    """One entry of the record that is not the same now."""

    what: str
    """Its place in ``lineage.json``, dotted; for data, the key of the object."""
    recorded: str
    found: str


def differences(
    recorded: Mapping[str, Any], found: Mapping[str, Any], *, partial: bool = False
) -> tuple[Difference, ...]:
    """Return what differs between two lineages, in the order of the names.

    Args:
        recorded: the record of the first run.
        found: that of the second.
        partial: whether what ``found`` lacks was not looked at, rather than absent.
    """
    before, after = dict(_entries(recorded)), dict(_entries(found))
    names = after.keys() if partial else before.keys() | after.keys()
    return tuple(
        Difference(what=name, recorded=before.get(name, ABSENT), found=after.get(name, ABSENT))
        for name in sorted(names)
        if before.get(name, ABSENT) != after.get(name, ABSENT)
    )


def _entries(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a record with its dotted path; objects of the data by their keys."""
    if path in _OUTCOMES:
        return
    if path == "data.dataset.objects":
        # An object may be read for two periods, or twice for one.
        yield from {entry["key"]: str(entry["sha256"]) for entry in value}.items()
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _entries(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, str(value)
