"""The replayed days: live traffic with the hourly and daily jobs between, the comparison after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby

import numpy as np
import polars as pl

from cardfraud.adapters.bundles import load_bundle
from cardfraud.adapters.object_store import ObjectStore
from cardfraud.contracts import keys
from cardfraud.contracts.transactions import MINOR_UNITS, Transaction
from cardfraud.features.batch import vector_from_frame
from cardfraud.features.definitions import FEATURE_NAMES
from cardfraud.features.labels import latest_labels
from cardfraud.features.values import vector
from cardfraud.scoring.session import OnnxScorer
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.reading import read_labels, read_transactions
from cardfraud.steps.featurize.snapshots import HourlyRefresh, midnight, run_daily
from cardfraud.steps.featurize.step import run as featurize
from cardfraud.steps.featurize.stream import Delivery, StreamWriter
from cardfraud.steps.ingest.config import IngestConfig
from cardfraud.steps.ingest.step import run as ingest
from cardfraud.steps.validate.config import ValidateConfig
from cardfraud.steps.validate.step import run as validate
from cardfraud_pipelines.demo.outcome import Replayed
from cardfraud_pipelines.demo.parity import Parity, compare
from cardfraud_pipelines.demo.plan import Span
from cardfraud_pipelines.demo.replay import Row, Served, in_order, instance, replay
from cardfraud_pipelines.demo.stages import Running
from cardfraud_pipelines.demo.workspace import Workspace

_DAY = timedelta(days=1)


@dataclass(slots=True)
class Stream:
    """Stands for the topic of transactions: numbers the events and hands them to the writer."""

    writer: StreamWriter
    offset: int = 0
    """Of the next event; all before it are acknowledged."""

    def push(self, rows: Sequence[Row]) -> None:
        """Deliver a run of events as one micro-batch and return once it is acknowledged."""
        batch = [
            Delivery(0, self.offset + i, Transaction.model_validate(instance(row)))
            for i, row in enumerate(rows)
        ]

        def acknowledge() -> None:
            self.offset += len(batch)

        self.writer.write(batch, acknowledge)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Everything that was sent and what came back."""

    rows: list[Row] = field(default_factory=list)
    labels: list[pl.DataFrame] = field(default_factory=list)
    served: Served = field(default_factory=Served)


def replay_days(work: Workspace, url: str) -> tuple[Traffic, float]:
    """Replay each day, and at each hour and midnight bring the state up to date.

    Returns:
        What was sent and served, and the seconds that all of it took.

    Raises:
        Unavailable: a server does not answer.
    """
    traffic, stream = Traffic(), Stream(StreamWriter(work.features, mode="replay"))
    begun = time.perf_counter()
    for day in work.plan.replay.days:
        extract = work.source.read(day)
        rows = in_order(extract.transactions)
        with work.stages.stage(f"replay {day}") as stage:
            stage.total(len(rows))
            served = _replay_day(work, url, stream, rows, stage)
            stage.note = f"{len(rows):,} transactions in {len(served.batch_sizes)} requests"
        traffic.rows.extend(rows)
        traffic.labels.append(extract.labels)
        traffic.served.add(served)
        with work.stages.stage(f"midnight of {day}") as stage:
            close_day(work, day)
            stage.note = "ingested, validated, state brought up to date"
    return traffic, time.perf_counter() - begun


def _replay_day(
    work: Workspace, url: str, stream: Stream, rows: Sequence[Row], stage: Running
) -> Served:
    """Replay a day hour by hour, with the hourly job before each hour but the first."""
    served = Served()
    day = rows[0]["event_time"].date()
    before = day - _DAY
    refresh = HourlyRefresh(
        work.store,
        work.features,
        read_transactions(work.store, before),
        read_labels(work.store, before),
    )
    for hour, of_hour in groupby(rows, key=_hour):
        if hour != midnight(day):
            refresh.run(hour)
        served.add(replay(list(of_hour), url=url, push=stream.push, progress=stage.advance))
    return served


def _hour(row: Row) -> datetime:
    moment: datetime = row["event_time"]
    return moment.replace(minute=0, second=0, microsecond=0)


def close_day(work: Workspace, day: date) -> None:
    """The daily jobs once a day is over: ingest it, validate it, bring the state up to date."""
    ingest(IngestConfig(start=day, end=day), work.source, work.store)
    validate(ValidateConfig(start=day, end=day), work.store)
    run_daily(work.store, work.features, day + _DAY)


def compare_with_offline(
    work: Workspace, traffic: Traffic, bundle: str, seconds: float
) -> tuple[Replayed, Parity]:
    """Compute the offline values of the replayed days, score them, and compare.

    The offline values come from the raw data as the daily jobs stored it, through Feast's
    point-in-time join, and are scored by the very graph that was served.
    """
    with work.stages.stage("compare with offline") as stage:
        span, store = work.plan.replay, work.store
        featurize(FeaturizeConfig(start=span.start, end=span.end - _DAY), store, work.features)
        ids = [row["transaction_id"] for row in traffic.rows]
        transactions = _stored(span, store, ids)
        values = work.features.training_set(transactions)
        matrix = vector(vector_from_frame(values, FEATURE_NAMES))
        model = load_bundle(store, "fraud", bundle)
        offline = OnnxScorer(model.model, model.signature).score(matrix).astype(np.float64)
        answers = traffic.served.predictions
        served = np.array([_number(answer["probability"]) for answer in answers])
        parity = compare(ids, served, offline)
        stage.note = f"{parity.rows:,} rows, largest difference {parity.largest:.2g}"
    return (
        Replayed(
            served=served,
            offline=offline,
            fraud=_truth(traffic, ids),
            amount=np.array([row["amount_minor"] / MINOR_UNITS for row in traffic.rows]),
            decision=tuple(answer["decision"] for answer in answers),
            latencies_ms=np.array(traffic.served.latencies_ms),
            batch_sizes=np.array(traffic.served.batch_sizes),
            seconds=seconds,
        ),
        parity,
    )


def _stored(span: Span, store: ObjectStore, ids: list[str]) -> pl.DataFrame:
    """The validated rows of the replayed transactions, in the order in which they were sent."""
    frames = [
        store.get_frame(keys.partition(keys.VALIDATED_TRANSACTIONS, day)) for day in span.days
    ]
    return pl.DataFrame({"transaction_id": ids}).join(
        pl.concat(frames), on="transaction_id", how="left", maintain_order="left"
    )


def _truth(traffic: Traffic, ids: list[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each transaction turned out to be a fraud, by its latest label."""
    latest = latest_labels(pl.concat(traffic.labels))
    joined = pl.DataFrame({"transaction_id": ids}).join(
        latest, on="transaction_id", how="left", maintain_order="left"
    )
    return joined["is_fraud"].fill_null(value=False).to_numpy()


def _number(probability: float | None) -> float:
    return np.nan if probability is None else probability
