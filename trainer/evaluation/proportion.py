"""How sure a share is when it is of few: Wilson's interval on the number of accounts that it really is of.

The bootstrap draws from what was seen, so that on few cases its interval is too narrow, and nothing at all
where all of them agree. Wilson's score interval (1927) does not collapse: Brown, Cai and DasGupta (2001)
recommend it, beside that of Jeffreys, for few cases. Rows of one account are not independent, so it is taken
on Kish's effective number of accounts (1965) and not on the number of rows: as if all rows of an account were
the same, the least that they can tell. Franco, Little, Louis and Slud (2019) compare such intervals.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.evaluation.bootstrap import Interval

_Z95 = 1.959963984540054
FEW = 30  # accounts below which the bootstrap is not to be trusted
NOTE = (
    "Wilson (1927), 95 %, on Kish's effective number of accounts (1965): all rows of an account count as one"
)


def wilson(share: float, number: float, z: float = _Z95) -> tuple[float, float]:
    """Returns the ends of Wilson's interval of a share; 0 and 1 where it is of nothing.

    share: from 0 to 1; number: of what it is a share, need not be whole; z: of the level, 1.96 for 95 %.
    """
    if number <= 0:
        return 0.0, 1.0
    square = z**2
    middle = (share + square / (2 * number)) / (1 + square / number)
    half = z * math.sqrt(share * (1 - share) / number + square / (4 * number**2)) / (1 + square / number)
    # Rounding must not part an end from the share that it stands for.
    low = 0.0 if share == 0 else max(middle - half, 0.0)
    return low, 1.0 if share == 1 else min(middle + half, 1.0)


def effective_number(weight: npt.NDArray[Any], account: npt.NDArray[np.int64]) -> float:
    """Returns (Σw)² / Σw² over the accounts' sums of weight: accounts where all weigh the same, else fewer.

    weight: bool or any float [n], from 0; account: int64 [n].
    """
    _, place = np.unique(account, return_inverse=True)
    by_account = np.bincount(place, weights=weight.astype(np.float64))
    squares = float((by_account**2).sum())
    return float(by_account.sum()) ** 2 / squares if squares > 0 else 0.0


def share_interval(
    part: npt.NDArray[Any], whole: npt.NDArray[Any], account: npt.NDArray[np.int64], z: float = _Z95
) -> Interval:
    """Returns the share of a part in a whole with its interval; all NaN where the whole is nothing.

    part, whole: bool or weights [n], the part never above the whole; account: int64 [n].
    """
    rows = np.flatnonzero(whole)
    below = whole[rows].astype(np.float64)
    total = float(below.sum())
    if total <= 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    share = min(float(part[rows].astype(np.float64).sum()) / total, 1.0)
    return Interval(share, *wilson(share, effective_number(below, account[rows]), z))


def is_of_few(part: npt.NDArray[Any], whole: npt.NDArray[Any], account: npt.NDArray[np.int64]) -> bool:
    """Tells whether fewer than `FEW` accounts have what a share counts, or what it does not count."""
    inside, outside = (np.unique(account[rows]) for rows in (part > 0, (whole > 0) & (part < whole)))
    return min(len(inside), len(outside)) < FEW
