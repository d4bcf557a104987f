"""What an entity has met before: the last few different keys, the latest met first.

A place keeps 31 bits of a key, so a stranger passes for known once in 2 × 10^9 / places lookups.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.native import native


@native
def _part(key):
    # The upper half, never 0: that marks an empty place.
    part = np.int32(np.int64(key >> np.uint64(32)) & 0x7FFFFFFF)
    return part if part != 0 else np.int32(1)


@native
def is_known(halves, start, places, key):
    """Returns 0.0 for a known key, 1.0 for a new one, NaN for none (key 0)."""
    if key == np.uint64(0):
        return np.nan
    part = _part(key)
    for place in range(places):
        if halves[start + 1 + place] == part:
            return 0.0
    return 1.0


@native
def remember(halves, start, places, key):
    """Puts a key first; a new one takes the place of the one not met for longest.

    halves[start] counts how often a key was new.
    """
    if key == np.uint64(0):
        return
    part = _part(key)
    moved = part
    for place in range(start + 1, start + 1 + places):
        met = halves[place]
        halves[place] = moved
        if met == part:
            return
        moved = met
    halves[start] += 1
