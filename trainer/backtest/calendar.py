"""Local days as moments: a fold begins and ends at midnight where the transactions took place."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days of an IANA time zone."""

    zone: str

    def midnight_us(self, day: date) -> int:
        """Returns the start of a day, microseconds since the epoch.

        A midnight that a clock change repeats is its first occurrence; of one that it skips, the moment of
        the change.
        """
        start = datetime(day.year, day.month, day.day, tzinfo=zoneinfo.ZoneInfo(self.zone))
        return (start.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)

    def day_of(self, moment_us: int) -> date:
        """Returns the local day of a moment."""
        moment = _EPOCH + timedelta(microseconds=int(moment_us))
        return moment.astimezone(zoneinfo.ZoneInfo(self.zone)).date()

    def midnights_us(self, first: date, days: int) -> npt.NDArray[np.int64]:
        """Returns the starts of days that follow one another and the end of the last, int64 [days + 1]."""
        each = (self.midnight_us(first + timedelta(days=day)) for day in range(days + 1))
        return np.fromiter(each, dtype=np.int64, count=days + 1)
