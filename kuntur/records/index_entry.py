"""What stands in a place of an index: the number of a record, a part of its key, and a check of both.

The lower half is the number plus one, so that 0 is an empty place; above it are 4 bits of check, then the
upper 28 bits of the key, so that a probe of a place of another key seldom touches that key's record. The
check is such that all 4-bit digits of an entry add up to 0 without carry: any single flipped bit shows, and
neither makes an entry of an empty place nor empties one.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native

MOST_RECORDS = 2**32 - 2
_TAG = np.int64(-1) << 36
_NUMBER = np.int64(0xFFFFFFFF)


@native
def tag_of(key):
    """Returns the bits of a key that an entry holds, in their place."""
    return np.int64(key) & _TAG


@native
def _digits(entry):
    folded = np.uint64(entry)
    folded ^= folded >> np.uint64(32)
    folded ^= folded >> np.uint64(16)
    folded ^= folded >> np.uint64(8)
    folded ^= folded >> np.uint64(4)
    return np.int64(folded & np.uint64(15))


@native
def entry_of(key, number):
    """Returns the entry of a record."""
    entry = tag_of(key) | (np.int64(number) + 1)
    return entry | (_digits(entry) << 32)


@native
def entry_holds(entry):
    """Tells whether an entry is as it was written."""
    return _digits(entry) == 0


@native
def number_in(entry):
    """Returns the number of the record that an entry leads to, which may be any if the entry is damaged."""
    return (entry & _NUMBER) - 1
