"""From transactions and state to a decision; the same code in servers, batches and evaluation.

``assembly`` makes the model's vector, ``session`` asks the model, ``decision`` applies the policy.
Nothing here reads or writes anything.
"""
