"""Test transactions with the scores that a model gave them: what all figures are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Scored:
    """Transactions of a test, in event order.

    label: bool [n]; score: float64 [n], probability by which to rank; amount: float64 [n], of one currency;
    account: int64 [n], a number for each account that rises with its id; day: int64 [n], from 0; days: how
    many days the test has.
    """

    label: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float64]
    amount: npt.NDArray[np.float64]
    account: npt.NDArray[np.int64]
    day: npt.NDArray[np.int64]
    days: int

    def __len__(self) -> int:
        return len(self.label)


def ranked_probability(
    probability: npt.NDArray[np.float32], margin: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """Returns the probabilities in double precision, with the margins' order where float32 makes ties.

    What is served is float32, which near 1 cannot tell the surest rows apart. The result rounds back to
    the very float32: among equal ones, margins spread over less than half a step towards 0.5.
    probability: float32 [n], never falling as the margin rises.
    """
    exact = probability.astype(np.float64)
    order = np.lexsort((margin, probability))
    p, m = probability[order], margin[order]
    run = np.cumsum(np.append(False, p[1:] != p[:-1])[: len(p)])
    step = np.cumsum(np.append(False, m[1:] != m[:-1])[: len(p)])
    first = np.flatnonzero(np.append(True, run[1:] != run[:-1])[: len(p)])
    last = np.append(first[1:], len(p)) - 1
    above, below = (step - step[first][run]), (step[last][run] - step)
    count = 1 + step[last][run] - step[first][run]
    up = (np.nextafter(p, np.float32(1)).astype(np.float64) - p) * 0.49 * above / count
    down = (p - np.nextafter(p, np.float32(0)).astype(np.float64)) * 0.49 * below / count
    exact[order] += np.where(p < np.float32(0.5), up, -down)
    return exact
