"""Asks the processor for records that are going to be needed.

A frame's records lie far apart, and waiting for each of them costs more than all arithmetic: with
10,000 accounts the loop took 2.8 µs a row without and 1.7 µs with this. It changes no result.
"""

from __future__ import annotations

import numpy as np

from kuntur.compiled.inside.prefetch import prefetch_word
from kuntur.compiled.native import native
from kuntur.records.table import HEADER_WORDS, P_INDEX, P_RECORD_WORDS, find_probable

_LINE_WORDS = 8  # 64 bytes


@native
def prefetch_place(table, key):
    """Fetches the place of a key in the index."""
    prefetch_word(table, np.int64(HEADER_WORDS) + (np.int64(key) & (table[P_INDEX] - 1)))


@native
def prefetch_record(table, key):
    """Fetches the record of a key, if there is one."""
    start = find_probable(table, key)  # a look at the record itself would wait for it
    if start >= 0:
        for word in range(0, table[P_RECORD_WORDS], _LINE_WORDS):
            prefetch_word(table, start + word)
        prefetch_word(table, start + table[P_RECORD_WORDS] - 1)  # a record may begin within a line
