"""What a run of the benchmarks found, as it goes to JSON."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from cardfraud_pipelines.benchmarks.serving.result import ServingResult

SECONDS_BUDGET: Final = 8.0
"""Wall seconds for all features of 1.75 million transactions on two cores."""
GIB_BUDGET: Final = 3.0
"""Peak resident memory of the process that computes them, the table included."""
RATIO_BUDGET: Final = 20.0
"""Times faster than pandas, one group at a time."""
STATE_BUDGET: Final = 4096
"""Bytes that both halves of a user's state may take together."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Result):
    """Where the figures were taken, and with what."""

    processor: str
    cores: int
    python: str
    numpy: str
    polars: str
    pandas: str
    load_before: float


class MethodCost(_Result):
    """One method over the whole table, in a process of its own.

    Attributes:
        seconds: wall time of each run, from the table in memory to all values in memory.
        cpu_seconds: processor time of the same runs.
        gib: peak resident memory of the process, table and imports included.
    """

    seconds: tuple[NonNegativeFloat, ...]
    cpu_seconds: tuple[NonNegativeFloat, ...]
    gib: NonNegativeFloat


class Agreement(_Result):
    """How far two methods' values of one feature lie apart, over the rows where both have one."""

    feature: str
    share_equal: NonNegativeFloat
    largest_difference: NonNegativeFloat


class BatchCost(_Result):
    """All features of users and merchants of one table, by this library and by pandas.

    Attributes:
        ratio: pandas' seconds over the median of ours.
        cpu_ratio: the same of processor time; it holds still on a busy machine, but does not
            see that ours uses two cores.
        agreement: how equal the values are, for each feature that pandas can define alike.
    """

    rows: NonNegativeInt
    ours: MethodCost
    pandas: MethodCost
    ratio: NonNegativeFloat
    cpu_ratio: NonNegativeFloat
    agreement: tuple[Agreement, ...]


class StateCost(_Result):
    """What online state costs; times are processor time, means of one request or event at a time.

    Attributes:
        event_us: read a user's stream state, add an event and write it back, microseconds.
        decode_us: read a user's two halves and a merchant's state.
        aggregate_us: aggregates of one request from these.
        vector_us: from aggregates to the model's vector.
        snapshot_seconds: daily state of all users; ``users`` of them.
        history_bytes, stream_bytes: median, 99th percentile and largest.
    """

    users: NonNegativeInt
    events: NonNegativeInt
    event_us: NonNegativeFloat
    decode_us: NonNegativeFloat
    aggregate_us: NonNegativeFloat
    vector_us: NonNegativeFloat
    snapshot_seconds: NonNegativeFloat
    history_bytes: tuple[int, int, int]
    stream_bytes: tuple[int, int, int]
    largest_user_bytes: NonNegativeInt


class RoundingCost(_Result):
    """A windowed feature with its edges rounded down, beside the exact window.

    Attributes:
        rows: rows that have an exact value other than 0.
        share_changed: part of these whose value changes by more than a millionth.
        mean_relative, largest_relative: of the difference, over these rows.
    """

    feature: str
    rows: NonNegativeInt
    share_changed: NonNegativeFloat
    mean_relative: NonNegativeFloat
    largest_relative: NonNegativeFloat


class FeaturesResult(_Result):
    """What the part about features found."""

    data: str
    batch: BatchCost
    state: StateCost
    rounding: tuple[RoundingCost, ...]
    missed: tuple[str, ...]


class BenchmarkResult(_Result):
    """Everything ``cardfraud bench`` writes; a part that did not run is None."""

    machine: Machine
    features: FeaturesResult | None = None
    serving: ServingResult | None = None

    @property
    def missed(self) -> tuple[str, ...]:
        """A sentence for each budget that was not kept."""
        parts = (self.features, self.serving)
        return tuple(sentence for part in parts if part is not None for sentence in part.missed)


def missed_budgets(batch: BatchCost, state: StateCost) -> tuple[str, ...]:
    """Return a sentence for each budget that was not kept."""
    seconds, gib = min(batch.ours.seconds), batch.ours.gib
    differing = [a.feature for a in batch.agreement if a.share_equal < 1]
    checks = (
        (seconds <= SECONDS_BUDGET, f"{seconds:.1f} s for the batch, at most {SECONDS_BUDGET} s"),
        (gib <= GIB_BUDGET, f"{gib:.2f} GiB for the batch, at most {GIB_BUDGET} GiB"),
        (batch.ratio >= RATIO_BUDGET, f"{batch.ratio:.0f} times pandas, at least {RATIO_BUDGET}"),
        (
            state.largest_user_bytes <= STATE_BUDGET,
            f"{state.largest_user_bytes} bytes for a user, at most {STATE_BUDGET}",
        ),
        (not differing, f"values differ from pandas: {', '.join(differing)}"),
    )
    return tuple(sentence for kept, sentence in checks if not kept)
