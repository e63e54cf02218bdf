"""The loop around the library: the command line, the local stack, the demo and the scorecard."""
