"""Reading states within a deadline, joined with other reads or alone."""

import asyncio
import dataclasses

import pytest
from prometheus_client import REGISTRY

from cardfraud_inference.transformer.states import StateReader
from tests.cardfraud_inference.conftest import Serving
from tests.support.faulty_link import Fault, FaultyLink
from tests.support.feature_stores import feature_store, record
from tests.support.serving_state import NOW


def late() -> float:
    """Reads of this process that came too late."""
    series = ("cardfraud_feature_store_errors_total", {"kind": "timeout"})
    return REGISTRY.get_sample_value(*series) or 0.0


@pytest.mark.parametrize("micro_batch", [True, False])
def test_a_store_that_stalls_is_waited_for_so_long_and_no_longer(
    serving: Serving, micro_batch: bool
) -> None:
    """Nothing comes of the read, it is counted, and the next one is answered."""

    async def run() -> None:
        store = feature_store(dataclasses.replace(serving.endpoints, redis_port=link.port))
        reader = StateReader(store, 0.3, micro_batch=micro_batch)
        asked, before = [record("t1", NOW)], late()
        try:
            async with asyncio.timeout(15):
                assert await reader.read(asked) is not None
                link.break_(Fault.STALL)
                assert await reader.read(asked) is None
                assert late() == before + 1
                link.heal()
                assert await reader.read(asked) is not None
        finally:
            await reader.close()

    with FaultyLink(serving.endpoints.redis_port) as link:
        asyncio.run(run())
