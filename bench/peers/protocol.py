"""As much of the Open Inference Protocol (version 2, over gRPC) as one tensor in and one out need.

By hand, since its stubs are in each peer's environment but in none of ours. Fields have the numbers of
open_inference_grpc.proto, package `inference`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bench.peers.runtimes.onnx_model import INPUT, NAME

METHOD = "inference.GRPCInferenceService/ModelInfer"
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # wire types of protobuf


def infer_request(features: npt.NDArray[np.float32]) -> bytes:
    """Returns a ModelInferRequest for rows of features, float32 [n, columns], as raw contents."""
    shape = b"".join(_varint(length) for length in features.shape)
    tensor = _field(1, INPUT.encode()) + _field(2, b"FP32") + _field(3, shape)
    contents = np.ascontiguousarray(features, dtype="<f4").tobytes()
    return _field(1, NAME.encode()) + _field(5, tensor) + _field(7, contents)


def body(request: bytes) -> bytes:
    """Returns a request as the body of a call: gRPC's prefix, then the message."""
    return struct.pack(">BI", 0, len(request)) + request


def probabilities(response: bytes) -> npt.NDArray[np.float32]:
    """Returns the one tensor of a ModelInferResponse, float32 [n], raw or not as the peer chose.

    Raises ValueError when there is none.
    """
    fields = dict(_fields(response))
    if 6 in fields:  # raw_output_contents
        return np.frombuffer(fields[6], dtype="<f4")
    output = dict(_fields(fields.get(5, b"")))
    contents = dict(_fields(output.get(5, b"")))
    if 6 not in contents:  # fp32_contents
        raise ValueError("the response has no tensor of float32")
    return np.frombuffer(contents[6], dtype="<f4")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields number and content of each field that holds bytes, and passes over the others."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        number, wire = divmod(tag, 8)
        if wire == _BYTES:
            size, place = _read_varint(message, place)
            yield number, message[place : place + size]
            place += size
        elif wire == _VARINT:
            _, place = _read_varint(message, place)
        elif wire in {_FIXED_32, _FIXED_64}:
            place += 4 if wire == _FIXED_32 else 8
        else:
            raise ValueError(f"a field of wire type {wire}")


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    """Returns a number and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
