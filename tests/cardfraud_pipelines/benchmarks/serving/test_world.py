"""What is asked has reasons in it, and answers without them are wrong."""

import json

import pytest

from cardfraud.contracts.bundle import Signature
from cardfraud.scoring.contributions import explainer
from cardfraud_pipelines.benchmarks.serving.faces import FACES
from cardfraud_pipelines.benchmarks.serving.forest import COLUMNS
from cardfraud_pipelines.benchmarks.serving.samples import Sample
from cardfraud_pipelines.benchmarks.serving.world import LARGE, SHARE_LARGE, World

THRESHOLD = "probability at or above 0.3"
RULE = "large_amount: more than people usually spend"
CONTRIBUTION = "amount: 4.0 times the user's mean of 30 days (240.00 against 60.00)"
BOTH = Sample(
    transaction={"transaction_id": "t"},
    vector=(1.0,),
    probability=0.5,
    decision="review",
    reasons=(THRESHOLD, RULE),
    contributes=True,
)
BY_RULE = BOTH.model_copy(
    update={"probability": 0.1, "reasons": (RULE,), "contributes": False},
)


def test_the_bundle_can_be_explained(world: World) -> None:
    """Each column has a typical value, so that the servers ask the model for contributions."""
    signature = Signature.model_validate_json(world.forest.bundle_files()["signature.json"])
    asked = explainer(signature)
    assert asked is not None
    typical = dict(zip(COLUMNS, asked.typical.tolist(), strict=True))
    assert 0 < typical["amount"] < LARGE


def test_about_the_stated_share_needs_reasons(world: World) -> None:
    """Large amounts are asked about; each sample that is not approved says why, no other does."""
    samples = world.samples()
    assert SHARE_LARGE <= samples.share_with_reasons + 0.01 <= SHARE_LARGE + 0.03
    for one in samples.samples:
        assert (one.decision == "approve") == (not one.reasons)
        assert (RULE in one.reasons) == (one.transaction["amount"] > LARGE)
        assert one.contributes == any("probability" in reason for reason in one.reasons)
    assert sum(one.contributes for one in samples.samples) > SHARE_LARGE / 2 * len(samples.samples)


@pytest.mark.parametrize(
    ("sample", "reasons", "said"),
    [
        (BOTH, [THRESHOLD, CONTRIBUTION, RULE], None),
        (BOTH, [THRESHOLD, RULE], "no contribution"),
        (BOTH, [THRESHOLD, CONTRIBUTION], "reasons"),
        (BOTH, [RULE, CONTRIBUTION], "reasons"),
        (BOTH, [THRESHOLD, CONTRIBUTION, RULE, "another"], "reasons"),
        (BOTH, [], "reasons"),
        (BY_RULE, [RULE], None),
        (BY_RULE, [RULE, CONTRIBUTION], None),
        (BY_RULE, [CONTRIBUTION], "reasons"),
    ],
)
def test_an_answer_says_why(sample: Sample, reasons: list[str], said: str | None) -> None:
    """The policy's sentences must be there, and a contribution where the score decided."""
    answer = {
        "probability": sample.probability,
        "decision": sample.decision,
        "reasons": reasons,
        "features": {"degraded": False, "missing": [], "stale": []},
    }
    body = json.dumps({"predictions": [answer]}).encode()
    fault = FACES["decision"].fault(sample, b"HTTP/1.1 200 OK", body)
    assert fault is None if said is None else fault is not None and said in fault
