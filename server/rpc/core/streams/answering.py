"""What leaves on a stream: answers one at a time, and its status behind the last of them."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # compiled, without stubs

from server.rpc.core.streams.method import StreamMethod
from server.rpc.core.streams.reading import NO_FLAGS, Ended, ReadingStream
from server.rpc.errors import CallStatus

_OK = grpc.StatusCode.OK.value[0]
_COUNTED_BYTES = 4096


class AnsweringStream(ReadingStream):
    """A stream that reads and answers. When it works, and what ends it, is left to subclasses."""

    def __init__(self, method: StreamMethod[Any], event: Any) -> None:
        """Takes grpcio's event of a call that arrived."""
        super().__init__(method, event)
        self._working = False
        self._answers: deque[bytes] = deque()  # made, not sent
        self._sending = False
        self._sending_bytes = 0
        self._unsent_bytes = 0  # of all answers that were made
        self._counted = False  # among the answers that are unread
        self._metadata_sent = False

    def give(self, answers: list[bytes | CallStatus]) -> None:
        """Sends the answers to what was taken, up to the first that ends the stream. Any thread."""
        with self._lock:
            self._working = False
            for answer in answers:
                if isinstance(answer, bytes):
                    self._answers.append(answer)
                    self._unsent_bytes += len(answer)
                else:
                    self._end = self._end or answer
                    break
            if self._over:
                self._answers.clear()
                self._leave()
            else:
                self._advance()
                if self._counted or self._unsent_bytes > _COUNTED_BYTES:
                    self._count_unread()

    def _send(self, answer: bytes) -> None:
        self._sending = True
        self._sending_bytes = len(answer)
        message = cygrpc.SendMessageOperation(answer, NO_FLAGS)
        self._start((*self._metadata(), message), self._sent)

    def _finish(self, status: CallStatus | None) -> None:
        self._over = True
        self._drop()
        self._leave()
        if status is None:
            operation = cygrpc.SendStatusFromServerOperation(None, _OK, b"", NO_FLAGS)
        else:
            operation = cygrpc.SendStatusFromServerOperation(
                status.trailing_metadata, status.code.value[0], status.raw_details, NO_FLAGS
            )
        self._start((*self._metadata(), operation), self._ended)

    def _metadata(self) -> tuple[Any, ...]:
        if self._metadata_sent:
            return ()
        self._metadata_sent = True
        return (cygrpc.SendInitialMetadataOperation(None, NO_FLAGS),)

    def _count_unread(self) -> None:
        """Counts what is on its way, except the small answers of most streams. Under the lock."""
        self._counted = self._unsent_bytes > _COUNTED_BYTES and not self._over
        if self._counted:
            self.method.unread.add(self, self._unsent_bytes, timed=False)
        else:
            self.method.unread.remove(self)

    def _drop(self) -> None:
        """Drops the frames that were read and the answers that were made. Under the lock."""
        self._frames.clear()
        self._answers.clear()
        self.method.held.remove(self._ahead_bytes)
        self._ahead_bytes = 0
        self.method.unread.remove(self)

    # What follows is called by gRPC's polling thread when a batch of operations has ended.

    def _sent(self, _: Any) -> Ended:
        with self._lock:
            self._sending = False
            self._moved = time.monotonic()
            self._unsent_bytes -= self._sending_bytes
            if self._counted or self._unsent_bytes > _COUNTED_BYTES:
                self._count_unread()
            return self._one_less()

    def _ended(self, _: Any) -> Ended:
        with self._lock:
            return self._one_less()
