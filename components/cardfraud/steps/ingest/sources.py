"""Which source an ingestion reads: chosen by configuration, opened here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from cardfraud.adapters.sources import DerivedSegments, MappedTable, handbook, load_mapping
from cardfraud.contracts.frozen import Frozen
from cardfraud.contracts.sources import Source
from cardfraud.simulation import SimulationSettings, Simulator


class SimulatorSource(Frozen):
    """The simulator; see :class:`~cardfraud.simulation.SimulationSettings`."""

    kind: Literal["simulator"] = "simulator"
    settings: SimulationSettings = SimulationSettings()


class HandbookSource(Frozen):
    """A folder of ``YYYY-MM-DD.parquet`` files in the schema of the Fraud Detection Handbook."""

    kind: Literal["handbook"] = "handbook"
    path: Path


class TableSource(Frozen):
    """Any CSV or Parquet, a file or a folder, with a mapping file that names its columns."""

    kind: Literal["table"] = "table"
    path: Path
    mapping: Path


SourceConfig = Annotated[
    SimulatorSource | HandbookSource | TableSource, Field(discriminator="kind")
]


def open_source(config: SourceConfig) -> Source:
    """Open the source; a table without a segment column gets derived segments.

    Raises:
        NotFound: a file or a folder is not there.
        InvalidFrame: it holds nothing that can be read.
        InvalidSetting: the mapping file is wrong.
    """
    if isinstance(config, SimulatorSource):
        return Simulator(config.settings)
    if isinstance(config, HandbookSource):
        return handbook(config.path)
    mapping = load_mapping(config.mapping)
    table = MappedTable(config.path, mapping)
    return table if mapping.columns.segment is not None else DerivedSegments(table)
