"""Make a bundle of a candidate that passed, and let aliases name it."""
