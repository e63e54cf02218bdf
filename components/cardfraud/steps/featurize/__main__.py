"""``python -m cardfraud.steps.featurize``: the featurize step as a command.

For example ``--start 2018-04-01 --end 2018-09-30 --materialize``; the object store is found by the
``CARDFRAUD_S3_...`` variables, the feature store by the ``CARDFRAUD_FEAST_...`` ones.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.featurize.config import FeaturizeConfig, FeaturizeResult
from cardfraud.steps.featurize.snapshots import materialize_day
from cardfraud.steps.featurize.step import run


class FeaturizeCommand(FeaturizeConfig):
    """Write the values of some days to the offline store, and the state as of their end.

    Attributes:
        materialize: whether the state is brought into the online store too.
    """

    materialize: bool = False


def featurize(command: FeaturizeCommand) -> FeaturizeResult:
    """Open the stores, apply the feature set, run the step."""
    places = ObjectStoreSettings()
    feature_store = FeatureStore(FeatureStoreSettings(), places)
    feature_store.apply()
    result = run(command, ObjectStore(places), feature_store)
    if command.materialize:
        materialize_day(feature_store, command.as_of)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step with options from the command line; return the exit code."""
    return execute(FeaturizeCommand, featurize, arguments)


if __name__ == "__main__":
    sys.exit(main())
