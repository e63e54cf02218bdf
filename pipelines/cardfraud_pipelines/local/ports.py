"""Free ports on the loopback interface."""

import random
import socket

from cardfraud_pipelines.local.errors import PortTaken

LOOPBACK = "127.0.0.1"

# Below the range from which Linux and macOS take ports for outgoing connections, so that none of
# these can slip onto a port between its choice here and the moment its server listens.
_RANGE = range(20_000, 32_000)
_given: set[int] = set()


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that is still winding down does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def pick_port(wanted: int | None = None) -> int:
    """Return a free port that this process has not given out before.

    Args:
        wanted: this port and no other.

    Raises:
        PortTaken: the wanted port is in use.
    """
    if wanted is not None:
        if not is_free(wanted):
            raise PortTaken(wanted)
        return wanted
    source = random.SystemRandom()  # other stacks pick at the same time, maybe with our seed
    while True:
        port = source.choice(_RANGE)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
