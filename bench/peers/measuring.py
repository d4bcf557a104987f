"""The load: single rows, one and many in flight, and many rows in one message; the same for each peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.load import closed
from bench.load.bodies import Supply
from bench.load.h2load import Load, LoadError, run
from bench.load.workload import Workload, grpc_frames
from bench.measuring.programs import LOAD_CORE, STREAM, UNARY
from bench.peers.environment import WORK
from bench.peers.protocol import METHOD, body, infer_request
from bench.peers.questions import ROWS, Questions

_FRAMES_IN_FLIGHT = 2  # so that the next is there when one is answered, as on a stream
_RAMP = 8 * ROWS  # transactions that go ahead of the stream
_STREAMED = 100 * ROWS  # transactions of the stream
TRANSACTIONS = _RAMP + _STREAMED  # none of them goes twice to a server, as it scores each but once


@dataclass(frozen=True, slots=True)
class Measured:
    """One server in one round: calls of one row, 1 and 32 in flight, and rows a second in large messages."""

    lone: Load
    busy: Load
    rows_per_s: float


class PeerLoad:
    """The bodies that every peer gets."""

    def __init__(self, questions: Questions) -> None:
        self._single, self._frame = WORK / "single.bin", WORK / "frame.bin"
        self._single.write_bytes(body(infer_request(questions.features[:1])))
        self._frame.write_bytes(body(infer_request(questions.features)))

    def measure(self, address: str, seconds: float) -> Measured:
        """Measures each case for so long. Raises LoadError."""
        lone, busy = (_for(address, METHOD, self._single, count, seconds) for count in (1, 32))
        frames = _for(address, METHOD, self._frame, _FRAMES_IN_FLIGHT, seconds)
        return Measured(lone, busy, frames.per_second * ROWS)


class KunturLoad:
    """The bodies that Kuntur gets: transactions, not features, and large messages on a stream."""

    def __init__(self, workload: Workload) -> None:
        raw = workload.raw[workload.load]
        ramp, stream = raw[:_RAMP], raw[_RAMP:TRANSACTIONS]
        self._supply = Supply(workload)
        self._stream = WORK / "kuntur.stream.bin"
        self._stream.write_bytes(grpc_frames(stream, ROWS))
        self._ramp = [grpc_frames(ramp[start : start + ROWS], ROWS)[5:] for start in range(0, _RAMP, ROWS)]

    def measure(self, address: str, seconds: float) -> Measured:
        """Measures one stream, and single calls for so long each, at a new server. Raises LoadError."""
        self._send_ramp(address)
        log = WORK / "h2load.log"
        stream = run(address, STREAM, self._stream, requests=1, in_flight=1, core=LOAD_CORE, log=log)
        lone, busy = (self._singles(address, count, seconds) for count in (1, 32))
        return Measured(lone, busy, _STREAMED / stream.seconds)

    def _singles(self, address: str, in_flight: int, seconds: float) -> Load:
        def once(requests: int) -> Load:
            bodies = self._supply.write_singles(WORK / "kuntur.single.bin", requests)
            return closed.run(address, UNARY, bodies, requests=requests, in_flight=in_flight, core=LOAD_CORE)

        return _lasting(once, seconds)

    def _send_ramp(self, address: str) -> None:
        """Sends what goes ahead of the stream by gRPC, which sees errors where h2load does not."""
        try:
            with grpc.insecure_channel(address) as channel:
                stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/" + STREAM)
                frames = len(list(stream(iter(self._ramp))))
        except grpc.RpcError as error:
            raise LoadError(f"Kuntur refused a call: {error}") from error
        if frames != len(self._ramp):
            raise LoadError(f"Kuntur answered {frames} of {len(self._ramp)} frames")


def _lasting(once: Callable[[int], Load], seconds: float) -> Load:
    """Measures for about so many seconds; what shows how many calls that are is the warming, too."""
    return once(max(20, int(once(200).per_second * seconds)))


def _for(address: str, method: str, content: Path, in_flight: int, seconds: float) -> Load:
    log = WORK / "h2load.log"

    def once(requests: int) -> Load:
        return run(address, method, content, requests=requests, in_flight=in_flight, core=LOAD_CORE, log=log)

    return _lasting(once, seconds)
