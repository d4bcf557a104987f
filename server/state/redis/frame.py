"""One try at a frame: the records as they were gathered, and what is asked of Redis once it was counted.

A commit depends on every record that was looked at, including those that do not exist: if one of them changed
meanwhile, the frame would have been counted from something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import structlog

from kuntur.features.engine import ENTITIES
from kuntur.history import held
from kuntur.history import scratch as lent
from kuntur.history.memory import Memory
from kuntur.history.scratch import RECORD_WORDS, TRANSACTIONS, Scratch
from server.state.redis.first import Left
from server.state.redis.scripts import KINDS, VERSION_BYTES, Scripts

_LOG = structlog.get_logger(__name__)
Keys = npt.NDArray[np.uint64]

OPEN_S = 3600
"""How long what a frame left is kept, unless it is answered before."""
_LETTERS = [bytes([kind]) for kind in KINDS]


class HeldPart(IntEnum):
    """What a gathering fetches of the held corrections: the number of its last byte, as Redis counts them."""

    ALL = -1
    HEADER = 8 * (1 + held.HEADER_WORDS) - 1  # tells how many there are and when the next is due
    AS_IT_IS = -(2**40)  # nothing: what an earlier gathering fetched must not change under the records


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every commit: the prefix of all names, this server's name, how much is kept."""

    prefix: bytes
    me: bytes
    retention_s: int
    recent_transactions: int
    turn_ms: int = 500
    open_s: int = OPEN_S


class FrameTry:
    """The records gathered for a frame, and which of them are to be written. Not safe for threads."""

    def __init__(self, scripts: Scripts, terms: Terms) -> None:
        self._scripts, self._terms = scripts, terms
        self._asked = [np.empty(0, dtype=np.uint64) for _ in KINDS]
        self._found: list[list[Memory]] = [[] for _ in KINDS]
        self._absent: list[list[Keys]] = [[] for _ in KINDS]
        self._held = np.empty(0, dtype=np.int64)
        self._held_version, self._held_lost = b"", False

    def gather(self, keys: Sequence[Keys], held_corrections: HeldPart) -> None:
        """Fetches the records of keys not asked for before, in one round trip.

        keys: by kind, in the order of KINDS, 0 for none; held_corrections: how much of them is wanted. Raises
        redis.RedisError.
        """
        arguments: list[bytes | int] = [self._terms.prefix, int(held_corrections)]
        asked = []
        for kind, wanted in enumerate(keys):
            new = np.unique(wanted)
            if len(self._asked[kind]):
                new = np.setdiff1d(new, self._asked[kind], assume_unique=True)
            new = new[new != 0]
            if len(new):
                asked.append((kind, new))
                self._asked[kind] = np.concatenate([self._asked[kind], new])
                arguments += [_LETTERS[kind], 8 * (1 + RECORD_WORDS[kind]), new.tobytes()]
        given = self._scripts.gather(*arguments)
        if held_corrections != HeldPart.AS_IT_IS:
            self._held_version = given[0][:VERSION_BYTES]
            self._held = self._sound(given[0])
        for (kind, new), marks, values in zip(asked, given[1::2], given[2::2], strict=True):
            there = np.frombuffer(marks, dtype=np.bool_)
            self._found[kind].append(
                np.frombuffer(values, dtype=np.int64).reshape(-1, 1 + RECORD_WORDS[kind])
            )
            self._absent[kind].append(new[~there])

    def transactions(self) -> Memory:
        """Returns the transactions that are known of those asked for, int64 [n, words of a transaction]."""
        return self._rows(TRANSACTIONS)[:, 1:]

    def held_words(self) -> Memory:
        """Returns the held corrections, or the header of their memory; nothing when there are none."""
        return self._held[1:]

    def fill(self, scratch: Scratch) -> None:
        """Puts what was gathered into empty tables."""
        for kind in range(len(KINDS)):
            scratch.bring_in(kind, self._rows(kind))
        scratch.bring_in_held(self.held_words())

    def size(self) -> int:
        """Returns how many keys of one kind were asked for, at most."""
        return max(len(keys) for keys in self._asked)

    def commit(self, scratch: Scratch, version: bytes, left: Left, *, take_turn: bool) -> int:
        """Writes what counting changed, all or nothing, if everything that was gathered is unchanged.

        version: different for every commit; left: what the frame leaves to be answered from; take_turn:
        whether others are to wait if this one fails. Returns the number of the commit, 0 if it failed because
        something had changed. Raises redis.RedisError.
        """
        terms = self._terms
        additions: list[bytes | int] = []
        parts: list[bytes | int] = []
        for kind, letter in enumerate(_LETTERS):
            if len(self._asked[kind]):
                part, made = self._part(kind, scratch.records(kind))
                parts += [letter, 8 * RECORD_WORDS[kind], *part]
                if made and kind < TRANSACTIONS:
                    additions += [list(ENTITIES)[kind].encode(), made]
        for name, number in scratch.counted().items():
            if number:
                additions += [name.encode(), number]
        held_words, before = scratch.held_words(), self.held_words()
        held_changed = len(before) > held.HEADER_WORDS or held.count(scratch.held) > 0
        held_changed = held_changed and held.is_whole(before) and not np.array_equal(held_words, before)
        held_changed = held_changed or self._held_lost
        return self._scripts.commit(
            terms.prefix,
            version,
            terms.me,
            terms.turn_ms if take_turn else 0,
            terms.retention_s,
            terms.recent_transactions,
            self._held_version,
            held_words.tobytes() if held_changed else b"",
            *left,
            terms.open_s,
            len(additions) // 2,
            *additions,
            *parts,
        )

    def _sound(self, given: bytes) -> Memory:
        """Returns version and held corrections; the version alone, to rewrite these, if they are damaged."""
        words = np.frombuffer(given[: len(given) // 8 * 8], dtype=np.int64)
        if not len(given) % 8 and held.may_be(words[1:], lent.HELD_CORRECTIONS):
            return words
        self._held_lost = True
        _LOG.error("the outcomes taken back that Redis held are damaged and lost: they stay counted")
        return words[:1]

    def _rows(self, kind: int) -> Memory:
        none = np.empty((0, 1 + RECORD_WORDS[kind]), dtype=np.int64)
        return np.concatenate([none, *self._found[kind]])

    def _part(self, kind: int, after: Memory) -> tuple[list[bytes | int], int]:
        """Returns what the commit says of a kind, and how many records are new."""
        before = self._rows(kind)
        changed = (after[: len(before)] != before[:, 1:]).any(axis=1)
        made = after[len(before) :]
        absent = np.concatenate(self._absent[kind]).view(np.int64)
        unmade = (
            np.setdiff1d(absent, made[:, 0], assume_unique=True) if len(made) < len(absent) else absent[:0]
        )
        written = np.concatenate([after[: len(before)][changed], made])
        checked = np.zeros((len(before) + len(absent), 2), dtype=np.int64)
        checked[:, 0] = np.concatenate([written[:, 0], before[~changed, 1], unmade])
        checked[: changed.sum(), 1] = before[changed, 0]
        checked[len(written) : len(written) + (~changed).sum(), 1] = before[~changed, 0]
        first = len(written) - len(made)
        return [checked.tobytes(), written.tobytes(), first, len(written)], len(made)
