"""What a decision costs to serve, beside a plain web server around the same forest.

One run starts everything on loopback: the baseline, the deployments of this library, an object
store and an online store. A load tool, a process of its own, sends each of them the same
transactions in turns; processor time, memory and latency are read while it does.
"""
