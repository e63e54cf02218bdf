"""What each rung of degradation costs: held-out days, ranked with what the rung still has.

``requests`` brings the online state of each request about, ``rungs`` says what each rung leaves of
it, ``measure`` assembles, scores and decides with the code that serves, and ``report`` and
``pictures`` show what came out.
"""
