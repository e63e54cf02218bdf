"""The library of cardfraud: contracts, features, models, adapters and steps."""

__version__ = "0.1.0"
