"""HTTP/1.1 as uvicorn speaks it, made proof against what it leaves open.

A request may offer to go over to another protocol, as Java's client does on every connection that
it opens, and a server may ignore that (RFC 9110, section 7.8). httptools gives up on the body of
such a request, so that its head is read again without the offer.
"""

from __future__ import annotations

from typing import Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER: Final = b"upgrade"
_MALFORMED: Final = "Invalid HTTP request received."


class BoundedHttp(HttpToolsProtocol):
    """One connection of a client."""

    _again: list[bytes] | None = None
    """Head of the request that makes an offer, without it."""

    def data_received(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as offer:
                    rest = rest[offer.args[0] :]
                    self._begin_again()
        except httptools.HttpParserError:
            self.send_400_response(_MALFORMED)

    def on_headers_complete(self) -> None:
        """Answer the request, unless it makes an offer and is to be read again without it."""
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            return
        version = self.parser.get_http_version().encode()
        again = [self.parser.get_method(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name != _OFFER:
                again += (name, b": ", value, b"\r\n")
        self._again = [*again, b"\r\n"]

    def on_message_complete(self) -> None:
        """Note the end of the body; a head that is read again has none yet."""
        if self._again is None:
            super().on_message_complete()

    def _begin_again(self) -> None:
        """Read a head without its offer; what follows is the body.

        Raises:
            HttpParserError: it is CONNECT, which is an offer by itself and nothing that is done.
        """
        head, self._again = self._again, None
        if head is None or head[0] == b"CONNECT":
            raise httptools.HttpParserInvalidMethodError(_MALFORMED)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(b"".join(head))
