"""A caller that begins calls and sends no request."""

from __future__ import annotations

from tests.support.http2 import HandwrittenCaller


class SilentCaller(HandwrittenCaller):
    """A connection with so many calls of a method, of each the headers alone."""

    def __init__(self, address: str, method: str, count: int) -> None:
        super().__init__(address)
        for _ in range(count):
            self.call(method, body=False)
