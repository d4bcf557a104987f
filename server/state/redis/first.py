"""First answers in Redis: what a frame leaves there until it is answered, and what remains of each answer.

With its commit a frame leaves its requests, and the features of its new transactions, so that another
server can answer it when this one dies. Its answer takes that away and leaves, for each transaction, what was
asked and the score, unless another server was faster. All of it is sealed (`sealing`): ids and amounts are
nobody's to read there, and what is not as it was written counts as not there.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import structlog
from redis import Redis

from kuntur.features import CATALOGUE, FeatureMatrix, catalogue_fingerprint
from kuntur.history.answers import MOST_PLACES, PLACE, PLACE_BITS, SLOT
from kuntur.history.recent import R_ANSWER, R_CONTENT
from kuntur.journal.exchanges.messages import scores_of, transactions_of
from kuntur.journal.v1 import journal_pb2
from kuntur.transaction import KeyColumn
from server.state.history import Admitted, Earlier
from server.state.redis.reach import Reach
from server.state.redis.scripts import FIRST, OPEN, TRANSACTION, VERSION_BYTES, Scripts
from server.state.redis.sealing import Sealer

_LOG = structlog.get_logger(__name__)
_NUMBER_BITS = 62 - PLACE_BITS
_COLUMNS = len(CATALOGUE)
_CATALOGUE = catalogue_fingerprint().encode()
_ROWS = struct.Struct("<I")  # of the features that a frame left, behind the fingerprint of the catalogue
_LENGTH = struct.Struct("<I")  # of the request in front of its score
_RECORD_BYTES = 8 * (1 + max(R_ANSWER, R_CONTENT))
Keys = npt.NDArray[np.uint64]


class Left(NamedTuple):
    """What a commit leaves for whoever has to answer in place of this server; nothing by default."""

    number: bytes = b""
    value: bytes = b""


class Opened(NamedTuple):
    """What a frame left: its requests, and features by the places of its new transactions."""

    requests: Sequence[bytes]
    features: dict[int, npt.NDArray[np.float32]]


class FirstAnswers:
    """What Redis has of first answers. Safe for threads.

    Whatever asks Redis may raise HistoryUnavailableError, the functions of an `Earlier` too.
    """

    def __init__(self, client: Redis, scripts: Scripts, reach: Reach, prefix: bytes, sealer: Sealer) -> None:
        """Takes a client for bytes, its scripts, the prefix of all names, and what seals."""
        self._client: Any = client
        self._scripts, self._reach, self._prefix, self._sealer = scripts, reach, prefix, sealer

    def number(self) -> int:
        """Returns a number for an admission that no other one has."""
        return secrets.randbits(_NUMBER_BITS) | 1

    def left(self, number: int, places: npt.NDArray[np.int64], features: FeatureMatrix, entry: bytes) -> Left:
        """Returns what an admission is to leave.

        places, features: of its new transactions; entry: of the journal.
        """
        if not len(places):
            return Left()
        name = _bytes(number)
        value = b"".join(
            (
                _CATALOGUE,
                _ROWS.pack(len(features)),
                places.astype("<u4").tobytes(),
                features.astype("<f4", copy=False).tobytes(),
                entry,
            )
        )
        return Left(name, self._sealer.seal(self._name(OPEN, name), value))

    def keep(self, keys: Keys, trail: npt.NDArray[np.int64], entry: bytes, admitted: Admitted) -> bool:
        """Keeps answers; returns False, with nothing done, where one of the transactions has one by now."""
        answer = journal_pb2.Entry.FromString(entry).answer
        requests = journal_pb2.Entry.FromString(admitted.entry).admission.requests
        asked, scores = list(transactions_of(requests)), list(scores_of(answer.kind, answer.responses))
        raw = keys[:, KeyColumn.TRANSACTION].astype("<u8").tobytes()
        values = []
        for row, place in enumerate(trail[:, PLACE].tolist()):
            request, score = asked[place].SerializeToString(), scores[place]
            told = b"" if score is None else score.SerializeToString()
            name = self._name(FIRST, raw[8 * row : 8 * row + 8])
            values.append(self._sealer.seal(name, _LENGTH.pack(len(request)) + request + told))
        # What was left goes with the last new transaction: those without a valid score may come again.
        all_new = np.count_nonzero(trail[:, SLOT] == 0) == np.count_nonzero(admitted.trail[:, SLOT] == 0)
        done = _bytes(admitted.number) if all_new else b""
        lengths = np.array([len(value) for value in values], dtype="<u4").tobytes()
        with self._reach():
            return self._scripts.keep(self._prefix, done, raw, lengths, b"".join(values))

    def earlier(self, keys: Keys, number: int) -> list[Earlier]:
        """Returns what is known of transactions; number: of the admission that they came with."""
        names = [key.tobytes() for key in keys[:, KeyColumn.TRANSACTION].astype("<u8")]
        with self._reach():
            found: list[bytes | None] = self._client.mget(
                [self._name(kind, name) for kind in (TRANSACTION, FIRST) for name in names]
            )
        opened: dict[int, Opened | None] = {}
        return [
            self._earlier(record, self._first(name, first), number, opened)
            for name, record, first in zip(names, found[: len(names)], found[len(names) :], strict=True)
        ]

    def _earlier(
        self,
        record: bytes | None,
        first: tuple[bytes, bytes] | None,
        number: int,
        opened: dict[int, Opened | None],
    ) -> Earlier:
        content = reference = 0
        if record is not None and len(record) >= VERSION_BYTES + _RECORD_BYTES:
            words = np.frombuffer(record, dtype="<i8", offset=VERSION_BYTES, count=_RECORD_BYTES // 8)
            content, reference = int(words[R_CONTENT]), max(-int(words[R_ANSWER]), 0)
        if first is not None:
            request, score = first
            return Earlier(content, None, True, score, 0, lambda: request, _none)
        admission, place = reference >> PLACE_BITS, reference & (MOST_PLACES - 1)
        if not admission:
            return Earlier(content, None, False, None, 0, _none, _none)
        return Earlier(
            content,
            place if admission == number else None,
            False,
            None,
            0,
            partial(self._request, admission, place, opened),
            partial(self._features, admission, place, opened),
        )

    def _first(self, name: bytes, sealed: bytes | None) -> tuple[bytes, bytes] | None:
        """Returns request and score of an answer; None where there is none, or a damaged one, which goes."""
        if sealed is None:
            return None
        value = self._opened(FIRST, name, sealed, "the first answer to a transaction")
        if value is None:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(value)[0]
        return value[_LENGTH.size : end], value[end:]

    def _request(self, admission: int, place: int, opened: dict[int, Opened | None]) -> bytes | None:
        left = self._fetched(admission, opened)
        if left is None:
            return None
        for at, transaction in enumerate(transactions_of(left.requests)):
            if at == place:
                return transaction.SerializeToString()
        return None

    def _features(
        self, admission: int, place: int, opened: dict[int, Opened | None]
    ) -> npt.NDArray[np.float32] | None:
        left = self._fetched(admission, opened)
        return None if left is None else left.features.get(place)

    def _fetched(self, admission: int, opened: dict[int, Opened | None]) -> Opened | None:
        if admission not in opened:
            opened[admission] = self._fetch(_bytes(admission))
        return opened[admission]

    def _fetch(self, name: bytes) -> Opened | None:
        with self._reach():
            sealed = self._client.get(self._name(OPEN, name))
        if sealed is None:
            return None
        value = self._opened(OPEN, name, sealed, "what a frame left to be answered from")
        return None if value is None else _read_left(value)

    def _opened(self, kind: int, name: bytes, sealed: bytes, what: str) -> bytes | None:
        """Returns what was sealed; takes away what is damaged, so that something else can stand there."""
        whole = self._name(kind, name)
        value = self._sealer.open(whole, sealed)
        if value is None:
            _LOG.error(f"{what} is damaged in Redis and counts as not there")
            with self._reach():
                self._scripts.forget(whole, sealed)
        return value

    def _name(self, kind: int, name: bytes) -> bytes:
        return b"%b%c%b" % (self._prefix, kind, name)


def _bytes(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _read_left(value: bytes) -> Opened | None:
    """Reads what a frame left; None where it is of a release with other features."""
    if not value.startswith(_CATALOGUE):
        return None
    at = len(_CATALOGUE)
    (rows,) = _ROWS.unpack_from(value, at)
    at += _ROWS.size
    places = np.frombuffer(value, dtype="<u4", count=rows, offset=at)
    at += places.nbytes
    features = np.frombuffer(value, dtype="<f4", count=rows * _COLUMNS, offset=at).reshape(rows, _COLUMNS)
    entry = journal_pb2.Entry.FromString(value[at + features.nbytes :])
    return Opened(entry.admission.requests, dict(zip(places.tolist(), features, strict=True)))


def _none() -> None:
    """There is none."""
