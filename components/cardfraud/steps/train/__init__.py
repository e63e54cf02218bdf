"""Fit one estimator on one period, measure it on later ones, leave a candidate."""
