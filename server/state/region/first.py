"""The first answers to transactions of a region, by the references that it keeps into the journal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.history.answers import Known, Reference
from kuntur.journal.exchanges.messages import scores_of, transactions_of
from kuntur.journal.v1 import journal_pb2
from server.state.history import Earlier

_LOG = structlog.get_logger(__name__)
Features = Callable[[], npt.NDArray[np.float32] | None]


class FirstAnswers:
    """What was asked and answered first of some transactions. Each entry is fetched and opened once."""

    def __init__(self, find: Callable[[int], journal_pb2.Entry | None]) -> None:
        """Takes what finds an entry of the journal."""
        self._find = find
        self._entries: dict[int, journal_pb2.Entry | None] = {}
        self._scores: dict[int, list[bytes | None]] = {}

    def earlier(self, known: Known, admission: int, features: Features) -> Earlier:
        """Returns what is known of a transaction.

        admission: sequence of the entry with which it came again; features: returns those it had.
        """
        entered, answer = known.admission, known.answer
        twin = entered.place if entered is not None and entered.sequence == admission else None
        asked = entered is not None or answer is not None
        return Earlier(
            known.content,
            twin,
            answer is not None,
            None if answer is None else self._score(answer),
            0 if answer is None else answer.sequence,
            partial(self._request, known),
            features if asked else _none,
        )

    def _entry(self, sequence: int) -> journal_pb2.Entry | None:
        if sequence not in self._entries:
            self._entries[sequence] = self._find(sequence)
        return self._entries[sequence]

    def _score(self, where: Reference) -> bytes | None:
        if where.sequence not in self._scores:
            entry = self._entry(where.sequence)
            if entry is None:
                _LOG.error(
                    "the first answer to a transaction is not in the journal any more: it is scored again",
                    entry=where.sequence,
                )
            answer = journal_pb2.Answer() if entry is None else entry.answer
            self._scores[where.sequence] = [
                None if score is None else score.SerializeToString()
                for score in scores_of(answer.kind, answer.responses)
            ]
        scores = self._scores[where.sequence]
        return scores[where.place] if where.place < len(scores) else None

    def _request(self, known: Known) -> bytes | None:
        """Returns what came first, as a serialised Transaction."""
        where = known.admission
        if known.answer is not None:
            entry = self._entry(known.answer.sequence)
            where = None if entry is None else Reference(entry.answer.admission, known.answer.place)
        entry = None if where is None else self._entry(where.sequence)
        if where is None or entry is None:
            return None
        for transaction in islice(transactions_of(entry.admission.requests), where.place, where.place + 1):
            return transaction.SerializeToString()
        return None


def _none() -> None:
    """It was not to be scored."""
