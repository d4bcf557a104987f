"""Where time is cut: what is learnt from, what judges, and which labels were known when.

The trainer stands at `until`. Labels need `label_delay` to arrive, so the newest transactions that can
judge a model end that long before; and the model that they judge must itself stand at their start,
with labels as old.

    start ── warm-up ──▶ train ──▶ delay ──▶ select | calibrate | test ──▶ delay ──▶ until
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from trainer.settings.data import SplitSettings

_DAY_US = 86_400 * 1_000_000


class TooLittleHistoryError(ValueError):
    """The data do not reach back far enough, or hold no fraud where they must."""


@dataclass(frozen=True, slots=True)
class Split:
    """Rows by role, and the moments between them, in microseconds since the epoch.

    train, select, calibrate, test: int64, numbers of rows in event order.
    """

    train: npt.NDArray[np.int64]
    select: npt.NDArray[np.int64]
    calibrate: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]
    train_start_us: int
    train_end_us: int
    select_start_us: int
    calibrate_start_us: int
    test_start_us: int
    test_end_us: int
    label_delay_days: float


def iso(time_us: int) -> str:
    """Returns a moment as ISO 8601 in UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(time_us))).isoformat()


def newest(event_time_us: npt.NDArray[np.int64]) -> str:
    """Says of which moment the newest of some rows in event order is, and what to do when it is a stray."""
    if not len(event_time_us):
        return "There is no transaction"
    return f"The newest transaction is of {iso(event_time_us[-1])}; if that is wrong, give --until"


def cut(
    event_time_us: npt.NDArray[np.int64], until_us: int, settings: SplitSettings, delay_days: float
) -> Split:
    """Cuts rows, which are in event order, by time. Raises TooLittleHistoryError with what is missing."""
    delay = round(delay_days * _DAY_US)
    test_end = until_us - delay
    test_start = test_end - round(settings.test_days * _DAY_US)
    calibrate_start = test_start - round(settings.calibrate_days * _DAY_US)
    select_start = calibrate_start - round(settings.select_days * _DAY_US)
    train_end = select_start - delay
    train_start = (
        int(event_time_us[0]) + round(settings.warm_up_days * _DAY_US) if len(event_time_us) else until_us
    )
    if settings.training_days is not None:
        train_start = max(train_start, train_end - round(settings.training_days * _DAY_US))
    if train_start >= train_end:
        judging = settings.select_days + settings.calibrate_days + settings.test_days
        needed = settings.warm_up_days + judging + 2 * delay_days
        span = (until_us - int(event_time_us[0])) / _DAY_US if len(event_time_us) else 0.0
        raise TooLittleHistoryError(
            f"the data span {span:.1f} days; warm-up, selection, calibration, test and twice the label delay "
            f"need {needed:.1f} and training comes on top: give more history, or lower split.select_days, "
            "split.calibrate_days, split.test_days, split.warm_up_days or split.label_delay_days. "
            + newest(event_time_us)
        )

    def between(start: int, end: int) -> npt.NDArray[np.int64]:
        first, last = np.searchsorted(event_time_us, [start, end])
        return np.arange(first, last, dtype=np.int64)

    return Split(
        train=between(train_start, train_end),
        select=between(select_start, calibrate_start),
        calibrate=between(calibrate_start, test_start),
        test=between(test_start, test_end),
        train_start_us=train_start,
        train_end_us=train_end,
        select_start_us=select_start,
        calibrate_start_us=calibrate_start,
        test_start_us=test_start,
        test_end_us=test_end,
        label_delay_days=delay_days,
    )
