"""The transformer: a transaction in, a decision out."""
