"""What a change overwrites, kept until the change is complete: a process that dies midway leaves no trace.

The log is int64 words in the same memory as what it is about. undo[0] tells the first free word, and its
upper half is the complement of the lower one, so that no flipped bit passes for a length; entries follow it,
each the old words, then where they stood, how many they are and a seal of all of these, so that they are
read from the end. An empty array keeps nothing: a history that dies with its process needs none of this.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.inside.order import in_order
from kuntur.compiled.native import native, native_inline
from kuntur.records.seals import copy_sealing, seal_of

UNDO_WORDS = 1 << 16  # a transaction fills at most a hundredth of it
NO_UNDO = np.empty(0, dtype=np.int64)
DAMAGED = -1
_FIRST = 1
_BEHIND = 3  # words behind the old ones
_HALF = np.int64(0xFFFFFFFF)
_ODD_LAST, _ODD_START, _ODD_WORDS = (
    np.int64(0x369DEA0F31A53F85),
    np.int64(0x1B54A32D192ED035),
    np.int64(0x6A5D39EAE116586D),
)


@native
def _pointer(at):
    return np.int64(at) | ((np.int64(at) ^ _HALF) << 32)


@native
def first_free(undo):
    """Returns the first free word of a log, or DAMAGED when its pointer is none."""
    at = undo[0] & _HALF
    if undo[0] != _pointer(at) or at < _FIRST or at > len(undo):
        return np.int64(DAMAGED)
    return at


@native
def start_undo(undo):
    """Makes a log ready for use."""
    undo[0] = _pointer(_FIRST)


@native
def is_empty(undo):
    """Tells whether a log keeps nothing."""
    return first_free(undo) == _FIRST


@native_inline
def _entry_seal(seal, last, start, words):
    """Returns the seal of an entry; seal: of the old words but the last, as a record's own seal is."""
    return seal + last * _ODD_LAST + start * _ODD_START + words * _ODD_WORDS


@native
def keep(undo, memory, base, start, words):
    """Keeps memory[start : start + words], which is about to be overwritten, at least one word.

    base: where memory[0] stands in the whole memory that `roll_back` is given. Returns the seal of all
    words but the last, with which a record is checked while it passes by; 0 when nothing is kept.
    """
    if len(undo) == 0:
        return np.int64(0)
    at = first_free(undo)
    if at < 0 or at + words + _BEHIND > len(undo):  # damaged while in use: this step cannot be undone
        at = np.int64(_FIRST)
        if words + _BEHIND >= len(undo):
            return seal_of(memory, start, words - 1)
    before = words - 1
    seal = copy_sealing(memory[start : start + before], undo[at : at + before])
    last = memory[start + before]
    undo[at + before] = last
    undo[at + words] = base + start
    undo[at + words + 1] = words
    undo[at + words + 2] = _entry_seal(seal, last, base + start, words)
    in_order()
    undo[0] = _pointer(at + words + _BEHIND)
    in_order()
    return seal


@native
def keep_word(undo, memory, base, at_word):
    """Keeps a single word, as `keep` does."""
    if len(undo) == 0:
        return
    at = first_free(undo)
    if at < 0 or at + 1 + _BEHIND > len(undo):
        at = np.int64(_FIRST)
    last = memory[at_word]
    undo[at] = last
    undo[at + 1] = base + at_word
    undo[at + 2] = 1
    undo[at + 3] = _entry_seal(np.int64(1), last, base + at_word, 1)  # no words have the seal 1
    in_order()
    undo[0] = _pointer(at + 1 + _BEHIND)
    in_order()


@native
def commit(undo):
    """Forgets what was kept: the change is complete."""
    if len(undo) > 0:
        in_order()
        undo[0] = _pointer(_FIRST)
        in_order()


@native
def roll_back(undo, memory):
    """Puts back all that was kept, the latest first.

    Dying midway does no harm: putting the same words back again changes nothing.

    Returns:
        How many entries those were; DAMAGED when the log or one of its entries is not as it was written:
        that entry and those before it stay, and what they were about has to be looked through.

    """
    entries = 0
    at = first_free(undo)
    if at < 0:
        undo[0] = _pointer(_FIRST)
        return DAMAGED
    while at > _FIRST:
        sound = at >= _FIRST + _BEHIND
        words = undo[at - 2] if sound else np.int64(0)
        sound = sound and 1 <= words <= at - _FIRST - _BEHIND
        first = at - _BEHIND - words if sound else np.int64(0)
        start = undo[at - 3] if sound else np.int64(0)
        if sound:
            seal = seal_of(undo, first, words - 1)
            sound = undo[at - 1] == _entry_seal(seal, undo[first + words - 1], start, words)
        if not sound or start < 0 or start > len(memory) - words:
            entries = DAMAGED
            break
        for word in range(words):
            memory[start + word] = undo[first + word]
        at = first
        entries += 1
    in_order()
    undo[0] = _pointer(_FIRST)
    return entries
