"""A peer that errs must be found out before it is measured: here it is a server that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from bench.peers.catalogue import PeerError
from bench.peers.protocol import METHOD
from bench.peers.questions import ROWS, Questions

_FEATURES = np.linspace(0, 1, ROWS, dtype=np.float32).reshape(ROWS, 1)
_QUESTIONS = Questions(_FEATURES, _FEATURES[:, 0] / 2)
_Answer = Callable[[npt.NDArray[np.float32], grpc.ServicerContext], npt.NDArray[np.float32]]


@contextmanager
def _peer(answer: _Answer) -> Iterator[str]:
    """Runs a server that answers from the features, which end a request, as raw contents."""

    def infer(request: bytes, context: grpc.ServicerContext) -> bytes:
        count = ROWS if len(request) > 4 * ROWS else 1
        content = answer(np.frombuffer(request[-4 * count :], np.float32), context).tobytes()
        return b"\x32" + (bytes([4]) if count == 1 else b"\x80\x10") + content

    service, _, method = METHOD.partition("/")
    handlers = {method: grpc.unary_unary_rpc_method_handler(infer)}
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_a_peer_that_answers_right_passes() -> None:
    with _peer(lambda features, _: features / 2) as address:
        _QUESTIONS.wait(address, lambda: True)
        _QUESTIONS.check(address)


def test_wrong_probabilities_are_found() -> None:
    with (
        _peer(lambda features, _: features / 2 + np.float32(1e-4)) as address,
        pytest.raises(PeerError, match="wrong probabilities"),
    ):
        _QUESTIONS.check(address)


def test_probabilities_wrong_only_in_large_messages_are_found() -> None:
    with (
        _peer(lambda features, _: features[::-1] / 2) as address,
        pytest.raises(PeerError, match="wrong probabilities"),
    ):
        _QUESTIONS.check(address)


def test_a_status_in_the_trailers_is_found() -> None:
    def refuse(_: npt.NDArray[np.float32], context: grpc.ServicerContext) -> npt.NDArray[np.float32]:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much")

    with _peer(refuse) as address, pytest.raises(PeerError, match="RESOURCE_EXHAUSTED, too much"):
        _QUESTIONS.check(address)


def test_a_peer_that_ended_is_not_waited_for() -> None:
    with pytest.raises(PeerError, match="ended while it was starting"):
        _QUESTIONS.wait("127.0.0.1:1", lambda: False)
