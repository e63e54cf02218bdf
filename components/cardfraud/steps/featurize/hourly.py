"""``python -m cardfraud.steps.featurize.hourly``: the hourly job as a command.

For example ``--hour 2018-08-08T10:00:00Z``; without it, the hour that has just begun. The stores
are found by the variables that the featurize step reads.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from cardfraud.adapters.feature_store import FeatureStore, FeatureStoreSettings
from cardfraud.adapters.object_store import ObjectStore, ObjectStoreSettings
from cardfraud.steps.command import execute
from cardfraud.steps.featurize.config import RefreshResult
from cardfraud.steps.featurize.snapshots import run_hourly


class HourlyCommand(BaseModel):
    """Bring the merchants' state, as of the beginning of an hour, into the online store.

    Attributes:
        hour: a full UTC hour, with its time zone; the one that has just begun where it is absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hour: AwareDatetime | None = None


def refresh(command: HourlyCommand) -> RefreshResult:
    """Open the stores and run the hourly job."""
    places = ObjectStoreSettings()
    hour = command.hour or datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return run_hourly(ObjectStore(places), FeatureStore(FeatureStoreSettings(), places), hour)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job with options from the command line; return the exit code."""
    return execute(HourlyCommand, refresh, arguments)


if __name__ == "__main__":
    sys.exit(main())
