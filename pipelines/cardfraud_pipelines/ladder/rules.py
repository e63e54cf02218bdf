"""The rules beside the model: what an analyst would write down first, in round numbers.

They serve the demo and this measurement; a deployment has its own.
"""

from __future__ import annotations

from typing import Final

from cardfraud.contracts.policy import Condition, Decision, Rule

RULES: Final = (
    Rule(
        name="large_amount",
        field="amount",
        op="gt",
        value=300,
        decision=Decision.REVIEW,
        reason="the amount is above 300",
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
        reason="at least four transactions in the ten minutes before",
    ),
    Rule(
        name="compromised_merchant",
        field="merchant_fraud_share_7d",
        op="gt",
        value=0.5,
        also=(Condition(field="merchant_count_7d", op="ge", value=5),),
        decision=Decision.REVIEW,
        reason="most of what this merchant sold in a week turned out to be fraud",
    ),
)
