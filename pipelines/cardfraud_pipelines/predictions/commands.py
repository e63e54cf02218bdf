"""What the commands over the prediction log do."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from rich.console import Console

from cardfraud.adapters.bundles import load_bundle, load_policy
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.adapters.outcomes import read_outcomes
from cardfraud.adapters.prediction_log import read_predictions
from cardfraud.contracts.days import DayRange
from cardfraud.contracts.policy import Policy
from cardfraud.errors import InvalidSetting
from cardfraud.evaluation.replay import replay
from cardfraud.scoring.session import OnnxScorer
from cardfraud_pipelines.predictions.tables import (
    mismatch_table,
    outcome_table,
    replay_table,
    set_aside_table,
)

KEY_VARIABLE: Final = "CARDFRAUD_TRANSFORMER_PREDICTION_LOG_KEY"


def replay_log(model: str, first: date, last: date, console: Console | None = None) -> bool:
    """Make the decisions of some days again and print what came out; True where all is as stored.

    False on any mismatch, on a file that was set aside, and where nothing was decided again: a
    check of no row has shown nothing.

    Raises:
        InvalidSetting: the days are not in order.
        Unavailable: the object store does not answer.
    """
    console, store = console or Console(), ObjectStore(ObjectStoreSettings())

    @cache
    def scorer_of(digest: str) -> OnnxScorer:
        bundle = load_bundle(store, model, digest)
        return OnnxScorer(bundle.model, bundle.signature)

    @cache
    def policy_of(digest: str) -> Policy:
        return load_policy(store, model, digest)

    logged = read_predictions(store, model, _days(first, last))
    result = replay(logged.frame, scorer_of, policy_of)
    console.print(replay_table(logged, result))
    if result.mismatches:
        console.print(mismatch_table(result.mismatches))
    if logged.set_aside:
        console.print(set_aside_table(logged.reasons()))
    if not result.rows:
        console.print("Nothing was checked: the log holds no readable row of these days.")
    elif result.undecidable and not result.decided:
        console.print("No decision could be made again: no row has the values of its rules.")
    return bool(result.decided) and not result.mismatches and not logged.set_aside


def show_outcomes(
    model: str,
    first: date,
    last: date,
    *,
    as_of: datetime,
    maturity_days: float,
    key_file: Path | None,
    console: Console | None = None,
) -> bool:
    """Join the decisions of some days to their labels and print what was caught.

    False where a file was set aside, or where settled decisions have no label at all.

    Raises:
        InvalidSetting: there is no key, or the days are not in order.
        InvalidFrame: labels cannot be read.
        Unavailable: the object store does not answer.
    """
    console = console or Console()
    logged, joined = read_outcomes(
        ObjectStore(ObjectStoreSettings()),
        model,
        _days(first, last),
        key=log_key(key_file),
        as_of=as_of,
        maturity=timedelta(days=maturity_days),
    )
    console.print(outcome_table(joined))
    if logged.set_aside:
        console.print(set_aside_table(logged.reasons()))
    unlabelled = len(joined.matured) > 0 and not joined.labelled
    if unlabelled:
        console.print(
            f"None of {len(joined.matured):,} settled decisions has a label. Either no label of "
            "theirs was ingested, or the key is not the one that the log was written with."
        )
    return not logged.set_aside and not unlabelled


def log_key(file: Path | None) -> bytes:
    """Return the key of the log's hashes, from a file or else from the environment.

    Raises:
        InvalidSetting: there is none.
    """
    key = os.environ.get(KEY_VARIABLE, "").encode() if file is None else file.read_bytes().rstrip()
    if not key:
        where = KEY_VARIABLE if file is None else str(file)
        raise InvalidSetting(where, "holds no key", hint="the transformer's, or name --key-file")
    return key


def _days(first: date, last: date) -> DayRange:
    if first > last:
        raise InvalidSetting("--to", f"{last} lies before {first}")
    return DayRange(start=first, end=last)
