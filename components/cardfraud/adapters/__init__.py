"""One module for each outside system; nothing above this layer imports their clients."""
