"""What a fit takes: an estimate that decides where it runs, before any of it is read."""

from __future__ import annotations

# Of XGBoost's bins where values may be unset: the number of each bin, once by row and once by column, and
# where each row begins. Measured: a million rows of 144 columns in 1,024 bins take 1.1 GB.
_BYTES_A_VALUE = 8


def needed_bytes(rows: int, columns: int) -> int:
    """Estimates the memory of so many rows in bins."""
    return rows * columns * _BYTES_A_VALUE


def rows_within(limit_bytes: int, columns: int) -> int:
    """Returns how many rows fit in so much memory, one at least."""
    return max(1, limit_bytes // (columns * _BYTES_A_VALUE))
