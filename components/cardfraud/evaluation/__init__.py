"""Metrics, intervals, curves, cost and the gate: pure functions over arrays."""
