"""The history in a Redis or Valkey that several machines share: the same engine over records it lends out.

A frame is counted in tables of this process from the records that it touches, and these are written back only
if none of them was changed meanwhile; otherwise all of it is done again. So frames count as if one server had
taken them one after the other, in the order of their commits.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from redis import Redis
from redis.exceptions import RedisError

from kuntur.features import CATALOGUE, FeatureMatrix
from kuntur.features.engine import ENTITIES
from kuntur.history import OutcomeStatus, held, recent
from kuntur.history import scratch as lent
from kuntur.history.answers import PLACE, SLOT
from kuntur.history.memory import COUNTED, Memory
from kuntur.history.scratch import Scratch
from kuntur.records.layout import HOUR_S, MICROSECONDS
from kuntur.time_zone import TimeZone, time_zone
from kuntur.transaction import IntColumn, KeyColumn, OutcomeBatch, TransactionBatch
from server.errors import HistoryUnavailableError
from server.state.history import Admitted, Earlier, HistoryCounts, HistoryStore, Reported
from server.state.redis.first import FirstAnswers, Left
from server.state.redis.frame import FrameTry, HeldPart, Keys, Terms
from server.state.redis.reach import Reach
from server.state.redis.scripts import COUNTERS, LATEST, Scripts
from server.state.redis.sealing import Sealer

_HOUR_US = HOUR_S * MICROSECONDS
_FIRST_CAPACITY = 1024
_TRIES_BEFORE_TURN = 3  # then others are told to let this one through
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.0005, 0.02
# In the order of the entities' kinds.
_ENTITY_COLUMNS = [KeyColumn.ACCOUNT, KeyColumn.MERCHANT, KeyColumn.DEVICE, KeyColumn.CATEGORY]
_NO_KEYS = np.empty(0, dtype=np.uint64)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """When a request gives up: after so many tries, or so many seconds, including the wait for its turn."""

    tries: int = 64
    seconds: float = 2.0


class RedisHistory(HistoryStore):
    """A `HistoryStore` over a Redis, which other servers may use at the same time.

    Every method except `counts` may raise HistoryUnavailableError. latest_commit: the number of the commit
    that the latest request made, for comparison with a serial replay.
    """

    remote = True

    def __init__(
        self,
        client: Redis,
        terms: Terms,
        patience: Patience,
        sealer: Sealer,
        zone: TimeZone | None = None,
        append: Callable[[bytes], int] = lambda _: 0,
    ) -> None:
        """Takes a client for bytes without retries of its own, and what seals answers.

        zone: whose nights are counted, by default Peru's; append: writes an entry into this server's journal
        and returns its sequence. Raises redis.RedisError.
        """
        self._append = append
        self._offsets = (zone or time_zone()).offsets
        self._client, self._terms, self._patience = client, terms, patience
        self._scripts = Scripts(client)
        self._reach = Reach()
        self._first = FirstAnswers(client, self._scripts, self._reach, terms.prefix, sealer)
        self._scratch = Scratch(_FIRST_CAPACITY)
        self._lock = threading.Lock()
        self._known = HistoryCounts(dict.fromkeys(ENTITIES, 0), dict.fromkeys(ENTITIES, 0), 0, 0, 0, 0, 0)
        self.latest_commit = 0

    def admit(
        self, batch: TransactionBatch, places: npt.NDArray[np.int64], entry: bytes, *, scored: bool
    ) -> Admitted:
        """Counts transactions, and writes an entry of this server's journal.

        It leaves what they are to be answered from, if they are to be. The journal has the entry also where
        all of them were answered, by whichever server: each journal tells what its own server was asked.
        """
        trail = np.empty((len(batch), 2), dtype=np.int64)
        trail[:, PLACE] = places
        number = self._first.number() if scored and entry else 0
        out, known = self._take(batch, trail, number, entry)
        trail[:, SLOT] = np.where(batch.ints[:, IntColumn.COUNTED] == 0, -1, 0)  # 0: it is new
        return Admitted(out, trail, self._append(entry) if entry else 0, known, number, entry)

    def answer(
        self,
        keys: npt.NDArray[np.uint64],
        trail: npt.NDArray[np.int64],
        entry: bytes,
        admitted: Admitted | None,
    ) -> int | None:
        """Keeps the answers to transactions, and writes an entry of this server's journal."""
        if admitted is not None and len(keys) and not self._first.keep(keys, trail, entry, admitted):
            return None
        return self._append(entry)

    def earlier(self, admitted: Admitted, keys: npt.NDArray[np.uint64], rows: Sequence[int]) -> list[Earlier]:
        """Returns what is known of some transactions of an admission."""
        return self._first.earlier(keys[list(rows)], admitted.number)

    def admit_outcomes(self, outcomes: OutcomeBatch, entry: bytes) -> Reported:
        """Lets outcomes enter the history, and writes an entry of this server's journal."""
        if len(outcomes) == 0:
            return Reported(np.empty(0, dtype=np.int8), 0)
        transactions = np.ascontiguousarray(outcomes.keys[:, KeyColumn.TRANSACTION])

        def count(scratch: Scratch) -> tuple[npt.NDArray[np.int8], Left]:
            statuses = np.full(len(outcomes), OutcomeStatus.UNKNOWN, dtype=np.int8)
            scratch.take_outcomes(outcomes, statuses)
            return statuses, Left()

        statuses = self._commit(lambda frame: _gather_outcomes(frame, transactions), count)
        return Reported(statuses, self._append(entry) if entry else 0)

    def counts(self) -> HistoryCounts:
        """Returns what the store holds, and has received; the last counts while Redis is out of reach.

        entities: records ever made, as Redis does not tell which ones have expired.
        """
        prefix = self._terms.prefix
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.hgetall(prefix + COUNTERS)
                pipeline.llen(prefix + LATEST)
                counters, known = pipeline.execute()
        except RedisError:
            return self._known
        told = {name.decode(): int(value) for name, value in counters.items()}
        self._known = HistoryCounts(
            entities={kind: told.get(kind, 0) for kind in ENTITIES},
            evicted=dict.fromkeys(ENTITIES, 0),
            recent_transactions=int(known),
            **{name: told.get(name, 0) for name in COUNTED},
        )
        return self._known

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _take(
        self, batch: TransactionBatch, trail: npt.NDArray[np.int64], number: int, entry: bytes
    ) -> tuple[FeatureMatrix, int]:
        """Counts transactions; returns their features and how many were known.

        number: of their admission, 0 where they are not to be answered.
        """
        counted = batch.ints[:, IntColumn.COUNTED].copy()
        out = np.empty((len(batch), len(CATALOGUE)), dtype=np.float32)

        def count(scratch: Scratch) -> tuple[int, Left]:
            batch.ints[:, IntColumn.COUNTED] = counted  # as it was before an earlier try
            known = scratch.take_transactions(
                batch, self._offsets, out, trail, scored=number > 0, sequence=number
            )
            if not number:
                return known, Left()
            new = batch.ints[:, IntColumn.COUNTED] != 0
            return known, self._first.left(number, trail[new, PLACE], out[new], entry)

        try:
            return out, self._commit(lambda frame: _gather_transactions(frame, batch), count)
        except HistoryUnavailableError:
            batch.ints[:, IntColumn.COUNTED] = counted
            raise

    def _commit(self, gather: Callable[[FrameTry], None], count: Callable[[Scratch], tuple[_T, Left]]) -> _T:
        """Gathers, counts and commits until no other commit came between."""
        given_up = time.monotonic() + self._patience.seconds
        if not self._lock.acquire(timeout=self._patience.seconds):
            raise HistoryUnavailableError("is too busy")
        try:
            for tried in range(self._patience.tries):
                with self._reach():
                    frame = FrameTry(self._scripts, self._terms)
                    gather(frame)
                    result, left = count(self._filled(frame))
                    version = (int.from_bytes(os.urandom(8), "little") | 1).to_bytes(8, "little")
                    take_turn = tried >= _TRIES_BEFORE_TURN
                    number = frame.commit(self._scratch, version, left, take_turn=take_turn)
                if number:
                    self.latest_commit = number
                    return result
                wait_s = min(_FIRST_WAIT_S * 2**tried, _LONGEST_WAIT_S) if tried else 0.0
                if time.monotonic() + wait_s > given_up:
                    break
                time.sleep(wait_s)
        finally:
            self._lock.release()
        raise HistoryUnavailableError("is too busy")

    def _filled(self, frame: FrameTry) -> Scratch:
        capacity = self._scratch.capacity
        if frame.size() > capacity:
            self._scratch = Scratch(1 << (frame.size() - 1).bit_length())
        else:
            self._scratch.clear()
        frame.fill(self._scratch)
        return self._scratch


def _gather_transactions(frame: FrameTry, batch: TransactionBatch) -> None:
    keys = [batch.keys[:, column] for column in (*_ENTITY_COLUMNS, KeyColumn.TRANSACTION)]
    frame.gather(keys, HeldPart.HEADER)
    words = frame.held_words()
    latest = int(batch.ints[:, IntColumn.EVENT_TIME_US].max(initial=np.iinfo(np.int64).min)) // _HOUR_US
    if len(words) and held.is_due(words, latest):
        # Once an hour of event time, and only after corrections: they concern entities of their own.
        frame.gather([_NO_KEYS] * 5, HeldPart.ALL)
        frame.gather(_held_entities(frame), HeldPart.AS_IT_IS)


def _gather_outcomes(frame: FrameTry, transactions: Keys) -> None:
    frame.gather([_NO_KEYS] * 4 + [transactions], HeldPart.HEADER)
    known = frame.transactions()
    keys = [*recent.entity_keys(known).T]
    corrected = recent.are_labelled(known) or len(np.unique(transactions)) < len(transactions)
    if not corrected and not _may_fill(frame.held_words(), len(transactions)):
        frame.gather([*keys, _NO_KEYS], HeldPart.AS_IT_IS)
        return
    frame.gather([*keys, _NO_KEYS], HeldPart.ALL)
    if _may_fill(frame.held_words(), len(transactions)):  # then all of them are applied at once
        frame.gather(_held_entities(frame), HeldPart.AS_IT_IS)


def _may_fill(words: Memory, outcomes: int) -> bool:
    return len(words) > 0 and held.count(words) + outcomes >= lent.HELD_CORRECTIONS


def _held_entities(frame: FrameTry) -> list[Keys]:
    """Returns the keys by kind of the entities that held corrections concern."""
    return [*held.entity_keys(frame.held_words()).T, _NO_KEYS]
