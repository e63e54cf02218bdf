"""Ingest: a source's days become raw partitions, each whole or not there at all."""

from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.step import IngestResult, run

__all__ = ["IngestConfig", "IngestResult", "run"]
