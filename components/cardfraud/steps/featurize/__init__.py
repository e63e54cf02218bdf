"""From validated transactions to values and snapshots offline, and to state online."""
