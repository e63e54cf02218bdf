"""A simulator of card transactions whose frauds, late labels and drift are known exactly.

The behaviour is the one that the Fraud Detection Handbook describes in chapter 3 (Le Borgne,
Siblini, Lebichot, Bontempi, 2022): customers near terminals, daily Poisson counts, hours around
noon, normal amounts, three fraud scenarios. The random streams are this package's own. Added to it
are segments, users who join later, labels that arrive late and are revised, and drift.
"""

from cardfraud.simulation.settings import (
    Drift,
    FraudScenarios,
    LateLabels,
    Segment,
    SimulationSettings,
)
from cardfraud.simulation.simulator import Scenario, SimulatedDay, Simulator

__all__ = [
    "Drift",
    "FraudScenarios",
    "LateLabels",
    "Scenario",
    "Segment",
    "SimulatedDay",
    "SimulationSettings",
    "Simulator",
]
