"""Scores to responses, as bytes ready to send.

Written here, field by field as `score.proto` numbers them, and not by protobuf: building a message for each
score costs more than scoring it. A property test holds the bytes against protobuf's own.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from google.rpc import status_pb2

from kuntur.api.v1 import score_pb2
from kuntur.compiled.native import native
from kuntur.scores import Reason, Scores
from kuntur.wire.reading import TransactionIds

# Tags: the field's number and how it is written.
_ID, _PROBABILITY, _DECISION, _REASONS, _VERSION = 0x0A, 0x11, 0x18, 0x22, 0x2A  # of Score
_FEATURE, _DESCRIPTION = 0x0A, 0x22  # of Reason
_RESULT, _SCORE = 0x0A, 0x0A  # of ScoreStreamResponse; of ScoreResult and ScoreTransactionResponse
_DOUBLE = struct.Struct("<d")
_ZERO = bytes(8)
_BYTES = [bytes((value,)) for value in range(0x80)]
_FEW = 4  # scores; for no more than these a compiled call costs more than it saves
_MAX_OVERHEAD = 64  # bytes of a result besides its id and version
MAX_REASONED_BYTES = 4 << 20  # what a gRPC client accepts by default: reasons never fill a frame beyond it
_GROWTH = 8  # bytes by which the lengths around reasons may grow


def _varint(value: int) -> bytes:
    value &= 0xFFFF_FFFF_FFFF_FFFF  # as protobuf writes a negative number
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def _field(tag: int, content: bytes) -> bytes:
    length = len(content)
    return _BYTES[tag] + (_BYTES[length] if length < 0x80 else _varint(length)) + content


def _reason(reason: Reason) -> bytes:
    """Returns field 4 of a Score with one reason."""
    value, contribution = _DOUBLE.pack(reason.value), _DOUBLE.pack(reason.contribution)
    content = _field(_FEATURE, reason.feature.encode()) if reason.feature else b""
    if value != _ZERO:
        content += b"\x11" + value
    if contribution != _ZERO:
        content += b"\x19" + contribution
    if reason.description:
        content += _field(_DESCRIPTION, reason.description.encode())
    return _field(_REASONS, content)


def _score(
    transaction_id: bytes, probability: float, decision: int, version: bytes, reasons: bytes = b""
) -> bytes:
    """Returns field 1 with a Score, the same in ScoreTransactionResponse and in ScoreResult."""
    content = _field(_ID, transaction_id) if transaction_id else b""
    double = _DOUBLE.pack(probability)
    if double != _ZERO:  # by its bits: -0.0 is written
        content += b"\x11" + double
    if decision:
        content += b"\x18" + (_BYTES[decision] if 0 < decision < 0x80 else _varint(decision))
    return _field(_SCORE, content + reasons + version)


@lru_cache(maxsize=16)
def _version(model_version: str) -> bytes:
    return _field(_VERSION, model_version.encode()) if model_version else b""


def write_score(ids: Sequence[str], place: int, scores: Scores, row: int = 0) -> bytes:
    """Returns a serialised ScoreTransactionResponse with one score of `scores`, for the id at a place."""
    transaction_id = TransactionIds.of(ids).encoded(place)
    version = _version(scores.model_version)
    reasons = b"" if scores.reasons is None else b"".join(map(_reason, scores.reasons.get(row, ())))
    return _score(transaction_id, float(scores.probability[row]), int(scores.decision[row]), version, reasons)


@native
def _varint_bytes(value):
    length = 1
    while value > np.uint64(0x7F):
        value >>= np.uint64(7)
        length += 1
    return length


@native
def _put_varint(out, at, value):
    while value > np.uint64(0x7F):
        out[at] = value & np.uint64(0x7F) | np.uint64(0x80)
        value >>= np.uint64(7)
        at += 1
    out[at] = value
    return at + 1


@native
def _put(out, at, data, start, length):
    for byte in range(length):
        out[at + byte] = data[start + byte]
    return at + length


@native
def _size(length):
    """Returns the size of a field of this many bytes of content, with tag and length."""
    return 1 + _varint_bytes(np.uint64(length)) + length


@native
def _write_results(data, spans, places, probability, decision, version, out, ends):
    """Writes the results of the scored transactions one after the other; version: its whole field."""
    at = 0
    for i in range(len(places)):
        start, length = spans[places[i]]
        bits = np.float64(probability[i]).view(np.uint64)
        number = np.uint64(np.int64(decision[i]))
        size = len(version) + (_size(length) if length > 0 else 0)
        size += 9 if bits != np.uint64(0) else 0
        size += 1 + _varint_bytes(number) if number != np.uint64(0) else 0
        out[at] = _RESULT
        at = _put_varint(out, at + 1, np.uint64(_size(size)))
        out[at] = _SCORE
        at = _put_varint(out, at + 1, np.uint64(size))
        if length > 0:
            out[at] = _ID
            at = _put_varint(out, at + 1, np.uint64(length))
            at = _put(out, at, data, start, length)
        if bits != np.uint64(0):
            out[at] = _PROBABILITY
            for byte in range(8):
                out[at + 1 + byte] = bits >> np.uint64(8 * byte) & np.uint64(0xFF)
            at += 9
        if number != np.uint64(0):
            out[at] = _DECISION
            at = _put_varint(out, at + 1, number)
        at = _put(out, at, version, 0, len(version))
        ends[i] = at


def _few_results(ids: Sequence[str], places: list[int], scores: Scores, version: bytes) -> list[bytes]:
    probabilities, decisions = scores.probability.tolist(), scores.decision.tolist()
    known = TransactionIds.of(ids)
    return [
        _field(_RESULT, _score(known.encoded(place), probability, decision, version))
        for place, probability, decision in zip(places, probabilities, decisions, strict=True)
    ]


def _many_results(
    ids: Sequence[str], places: npt.NDArray[np.int64], scores: Scores, version: bytes
) -> tuple[bytes, list[int]]:
    known = TransactionIds.of(ids)
    room = int(known.spans[places, 1].sum()) + len(places) * (len(version) + _MAX_OVERHEAD)
    out = np.empty(room, dtype=np.uint8)
    ends = np.empty(len(places), dtype=np.int64)
    _write_results(known.raw, known.spans, places, scores.probability, scores.decision, version, out, ends)
    return out[: ends[-1]].tobytes(), ends.tolist()


def _add_reasons(
    written: list[bytes], ids: Sequence[str], places: list[int], scores: Scores, room: int
) -> None:
    """Rewrites the results that have reasons, with these; room: bytes that all reasons together may take."""
    reasons, version = scores.reasons or {}, _version(scores.model_version)
    known, share = TransactionIds.of(ids), room // max(len(reasons), 1) - _GROWTH
    for row, causes in reasons.items():
        content = b""
        for cause in map(_reason, causes):
            if len(content) + len(cause) > share:
                break
            content += cause
        if content:
            probability, decision = float(scores.probability[row]), int(scores.decision[row])
            score = _score(known.encoded(places[row]), probability, decision, version, content)
            written[row] = _field(_RESULT, score)


def write_frame(
    ids: Sequence[str],
    places: npt.NDArray[np.int64],
    scores: Scores,
    statuses: Mapping[int, status_pb2.Status],
) -> bytes:
    """Returns a serialised ScoreStreamResponse.

    ids: transaction ids of the frame; places: int64 [n], ascending, where each score belongs in it;
    statuses: by place, for all others. Where its reasons would take the response beyond MAX_REASONED_BYTES,
    each transaction keeps its strongest, as many as an equal share of the room holds. Raises ValueError when
    scores and statuses are not, together, the whole frame.
    """
    if len(places) + len(statuses) != len(ids):
        raise ValueError(f"{len(places)} scores and {len(statuses)} statuses for {len(ids)} transactions")
    version = _version(scores.model_version)
    if len(places) > _FEW:
        whole, ends = _many_results(ids, places, scores, version)
        if not statuses and not scores.reasons:
            return whole
        written = [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    else:
        written = _few_results(ids, places.tolist(), scores, version)
    refused = {
        place: _field(_RESULT, score_pb2.ScoreResult(status=status).SerializeToString())
        for place, status in statuses.items()
    }
    if scores.reasons:
        room = MAX_REASONED_BYTES - sum(map(len, written)) - sum(map(len, refused.values()))
        _add_reasons(written, ids, places.tolist(), scores, room)
    if not refused:
        return b"".join(written)
    results = dict(zip(places.tolist(), written, strict=True)) | refused
    return b"".join([results[place] for place in range(len(ids))])


def write_frames(ids: Sequence[str], scores: Scores, sizes: Sequence[int]) -> list[bytes]:
    """Returns a serialised ScoreStreamResponse for each of several frames that were scored as one.

    ids: transaction ids of all frames, every one of them scored; sizes: how many each frame has.
    """
    places = np.arange(len(ids))
    whole, ends = _many_results(ids, places, scores, _version(scores.model_version))
    firsts = np.cumsum([0, *sizes]).tolist()
    if not scores.reasons:
        cuts = [0, *ends]
        return [whole[cuts[a] : cuts[b]] for a, b in pairwise(firsts)]
    written = [whole[start:end] for start, end in pairwise([0, *ends])]
    _add_reasons(written, ids, places.tolist(), scores, MAX_REASONED_BYTES - len(whole))
    return [b"".join(written[a:b]) for a, b in pairwise(firsts)]
