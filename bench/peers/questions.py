"""What every peer is asked, and the proof that it answers right.

The load sees only that a call ended: what gRPC made of it stands in the trailers, and an error is quick. So
each peer must give the right probabilities before it is measured and behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import numpy as np
import numpy.typing as npt

from bench.peers.catalogue import PeerError
from bench.peers.protocol import METHOD, infer_request, probabilities
from trainer.confined.session import run, session
from trainer.export.parity import PROBABILITY_TOLERANCE

ROWS = 512
_AT_ONCE = 32
_READY_S = 60.0
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Questions:
    """Rows of features, float32 [512, columns], and their probabilities by ONNX Runtime, float32 [512]."""

    features: npt.NDArray[np.float32]
    wanted: npt.NDArray[np.float32]

    @classmethod
    def of(cls, onnx: bytes, features: npt.NDArray[np.float32]) -> Questions:
        """Takes the first rows of features, of which there must be enough."""
        rows = np.ascontiguousarray(features[:ROWS])
        return cls(rows, run(session(onnx), rows))

    def wait(self, address: str, alive: Callable[[], bool]) -> None:
        """Returns when the peer infers. Raises PeerError when it ends or takes longer than a minute."""
        ends = time.monotonic() + _READY_S
        while True:
            try:
                _infer(address, [self.features[:1]])
            except grpc.RpcError as error:
                if not alive():
                    raise PeerError("ended while it was starting") from error
                if time.monotonic() > ends:
                    raise PeerError(f"does not infer after {_READY_S:.0f} s: {_reason(error)}") from error
                time.sleep(0.2)
            else:
                return

    def check(self, address: str) -> None:
        """Asks for each row alone, many at once, and for all in one call. Raises PeerError."""
        singles = [self.features[row : row + 1] for row in range(ROWS)]
        try:
            for start in range(0, ROWS, _AT_ONCE):
                answers = _infer(address, singles[start : start + _AT_ONCE])
                self._compare(np.concatenate(answers), slice(start, start + _AT_ONCE))
            self._compare(_infer(address, [self.features])[0], slice(None))
        except grpc.RpcError as error:
            raise PeerError(f"refuses a call: {_reason(error)}") from error

    def _compare(self, given: npt.NDArray[np.float32], rows: slice) -> None:
        wanted = self.wanted[rows]
        if given.shape != wanted.shape or not np.allclose(given, wanted, rtol=0, atol=PROBABILITY_TOLERANCE):
            raise PeerError(f"gives wrong probabilities: {given[:3]} instead of {wanted[:3]} ...")


def _infer(address: str, questions: list[npt.NDArray[np.float32]]) -> list[npt.NDArray[np.float32]]:
    """Sends all at once and gives the answers. Raises grpc.RpcError, or PeerError for what is no answer."""
    with grpc.insecure_channel(address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/" + METHOD)
        sent = [call.future(infer_request(question), timeout=_ANSWER_S) for question in questions]
        responses = [answer.result() for answer in sent]
    try:
        return [probabilities(response) for response in responses]
    except ValueError as error:
        raise PeerError(f"answers without probabilities: {error}") from error


def _reason(error: grpc.RpcError) -> str:
    return f"{error.code().name}, {error.details()}" if isinstance(error, grpc.Call) else str(error)
