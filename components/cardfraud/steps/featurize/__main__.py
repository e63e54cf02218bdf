"""Runs the featurize step: ``python -m cardfraud.steps.featurize --start DAY --end DAY``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.errors import CardfraudError
from cardfraud.steps.featurize.config import FeaturizeConfig
from cardfraud.steps.featurize.snapshots import materialize_day
from cardfraud.steps.featurize.step import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step with settings from the environment; print its result as JSON."""
    parser = argparse.ArgumentParser(prog="featurize", description=main.__doc__)
    parser.add_argument("--start", type=date.fromisoformat, required=True, help="first UTC day")
    parser.add_argument("--end", type=date.fromisoformat, required=True, help="last UTC day")
    parser.add_argument("--snapshot-day", type=date.fromisoformat, help="default: day after end")
    parser.add_argument(
        "--materialize", action="store_true", help="bring the snapshots into the online store"
    )
    options = parser.parse_args(arguments)
    places = ObjectStoreSettings()
    try:
        config = FeaturizeConfig(
            start=options.start, end=options.end, snapshot_day=options.snapshot_day
        )
        feature_store = FeatureStore(FeatureStoreSettings(), places)
        feature_store.apply()
        result = run(config, ObjectStore(places), feature_store)
        if options.materialize:
            materialize_day(feature_store, config.as_of)
    except (CardfraudError, ValueError) as error:
        print(f"featurize: {error}", file=sys.stderr)  # noqa: T201 (the command's answer)
        return 1
    print(result.model_dump_json())  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
