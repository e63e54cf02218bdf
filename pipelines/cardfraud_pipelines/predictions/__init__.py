"""The commands over the prediction log: ``cardfraud predictions replay`` and ``outcomes``."""
