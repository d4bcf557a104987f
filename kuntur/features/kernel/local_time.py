"""The local time of a transaction, from the table of a zone's clock changes (`kuntur.time_zone`)."""

from __future__ import annotations

from kuntur.compiled.native import native_inline


@native_inline
def local_seconds(offsets, time_s):
    """Returns the local time of an instant, both in seconds since the epoch, the result as if it were UTC.

    offsets: of `kuntur.time_zone.TimeZone`. A zone without clock changes has one row, and no search.
    """
    low, high = 0, len(offsets)
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle, 0] <= time_s:
            low = middle
        else:
            high = middle
    return time_s + offsets[low, 1]
