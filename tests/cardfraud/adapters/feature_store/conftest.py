"""Loads Feast as the library does, before any test of this package imports a part of it."""

from cardfraud.adapters.feature_store.loading import load_feast

load_feast()
