"""How requests come in and answers go out: REST v1 and v2, gRPC, errors, tensors.

Everything here is the same for the predictor and the transformer; what a request means is in them.
"""
