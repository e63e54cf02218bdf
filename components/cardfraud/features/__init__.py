"""One definition of every feature, used offline, online and in streams; no input or output here.

The way of the data: ``definitions`` says what there is. Offline, ``history`` (users) and ``risk``
(merchants) turn whole tables into aggregates; online, ``user_state`` and ``merchant_state`` turn
compact state into the same aggregates. Both end in ``values``: one function from aggregates and
request to feature values, and from values to the float32 vector that the model reads.
"""
