"""Writes a simulation to a folder: the handbook's schema, and a mapping that reads all of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import polars as pl
from rich.console import Console
from rich.progress import track

from cardfraud.contracts.transactions import MINOR_UNITS
from cardfraud.errors import InvalidSetting
from cardfraud.features.labels import latest_labels
from cardfraud.simulation import SimulationSettings, Simulator

MAPPING: Final = """\
# Reads these files with everything in them; the handbook's own columns alone would do, too.
columns:
  transaction_id: TRANSACTION_ID
  event_time: TX_DATETIME
  user_id: CUSTOMER_ID
  merchant_id: TERMINAL_ID
  amount: TX_AMOUNT
  is_fraud: TX_FRAUD
  reported_at: REPORTED_AT
  segment: SEGMENT
zone: UTC
amount_unit: major
currency: EUR
"""


def write_simulation(
    out: Path, *, start: date, days: int, users: int, merchants: int, seed: int
) -> None:
    """Simulate and write one Parquet file a day, and ``mapping.yaml``.

    Args:
        out: folder; made if absent, and must hold no other Parquet file.
        start: first day.
        days: number of days.
        users: number of users.
        merchants: number of merchants.
        seed: of every random stream.

    Raises:
        InvalidSetting: the folder holds other tables.
    """
    simulator = Simulator(
        SimulationSettings(seed=seed, start=start, days=days, users=users, merchants=merchants)
    )
    names = {f"{day}.parquet" for day in simulator.days()}
    out.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in out.glob("*.parquet") if path.name not in names)
    if others:
        raise InvalidSetting("out", f"{out} already holds {others[0]}", hint="name an empty folder")
    (out / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    rows = 0
    for day in track(simulator.days(), description="simulating"):
        extract = simulator.read(day)
        table = in_handbook_schema(extract.transactions, extract.labels)
        table.write_parquet(out / f"{day}.parquet", compression="zstd")
        rows += len(table)
    Console().print(
        f"{rows:,} transactions in {len(names)} files, and mapping.yaml, in {out}", soft_wrap=True
    )


def in_handbook_schema(transactions: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Columns of the Fraud Detection Handbook, and what it does not have beside them.

    Its identifiers are integers, so these are made of the simulator's digits; a transaction's has
    twelve, since thirteen could pass for a card number. A label is the last word on its
    transaction, reported when the first one was: a file of a day has room for one.
    """
    day_number = pl.col("event_time").dt.epoch("d").cast(pl.Int64)
    first = labels.group_by("transaction_id").agg(pl.col("reported_at").min())
    return (
        transactions.join(latest_labels(labels), on="transaction_id", how="left")
        .join(first, on="transaction_id", how="left")
        .sort("event_time", "transaction_id")
        .select(
            TRANSACTION_ID=day_number * 10_000_000
            + pl.col("transaction_id").str.tail(7).cast(pl.Int64),
            TX_DATETIME=pl.col("event_time").dt.replace_time_zone(None),
            CUSTOMER_ID=_digits("user_id"),
            TERMINAL_ID=_digits("merchant_id"),
            TX_AMOUNT=pl.col("amount_minor") / MINOR_UNITS,
            TX_FRAUD=pl.col("is_fraud").cast(pl.Int8),
            SEGMENT="segment",
            REPORTED_AT=pl.col("reported_at").dt.replace_time_zone(None),
        )
    )


def _digits(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"\D", "").cast(pl.Int64)
