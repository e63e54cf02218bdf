"""The rules beside the model in this measurement: what an analyst would write down first.

They were written before anything was measured and are tuned to nothing; a deployment has its own.
"""

from __future__ import annotations

from typing import Final

from cardfraud.contracts.policy import Decision, Rule

RULES: Final = (
    Rule(
        name="large_amount",
        field="amount",
        op="gt",
        value=300,
        decision=Decision.REVIEW,
        reason="a large amount",
    ),
    Rule(
        name="far_above_usual",
        field="amount_over_avg_30d",
        op="gt",
        value=5,
        decision=Decision.REVIEW,
        reason="more than five times what this card usually pays",
    ),
    Rule(
        name="rapid_use",
        field="transactions_last_10min",
        op="ge",
        value=4,
        decision=Decision.REVIEW,
        reason="four transactions within ten minutes",
    ),
    Rule(
        name="risky_merchant",
        field="merchant_fraud_share_30d",
        op="gt",
        value=0.2,
        decision=Decision.REVIEW,
        reason="every fifth transaction at this merchant was a fraud",
    ),
    Rule(
        name="compromised_merchant",
        field="merchant_fraud_share_7d",
        op="gt",
        value=0.5,
        decision=Decision.DECLINE,
        reason="every second transaction at this merchant was a fraud",
    ),
)
