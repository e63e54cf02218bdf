"""Judge a candidate on held-out time, against the champion on the same rows."""
