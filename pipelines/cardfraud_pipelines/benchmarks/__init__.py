"""What the features cost: time, memory and bytes, beside the method that everybody writes.

Each measurement runs in a process of its own (``worker``), so that its peak of memory is its own
and nothing is warm that a first run would find cold.
"""
