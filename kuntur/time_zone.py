"""Local time by the rules of an IANA time zone, for compiled code too.

Compiled code cannot ask `zoneinfo`, so a zone is an array: the seconds to add to UTC, and from which moment
on. The rules are those of the `tzdata` package, not the machine's, so that server and trainer with the same
locked packages agree. Clock changes from 2000 to 2100 are known; before and after, the first and last
offset hold. `kuntur.features.kernel.local_time` reads the array.
"""

from __future__ import annotations

import difflib
import hashlib
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

DEFAULT_TIME_ZONE = "America/Lima"
Offsets = npt.NDArray[np.int64]

_FIRST_S, _LAST_S = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2100))
_ALWAYS_S = -(2**62)
_STEP_S = 86_400  # no zone changes its clocks twice within a day
_NUMBER_BYTES = 7


@dataclass(frozen=True, slots=True, eq=False)
class TimeZone:
    """An IANA time zone.

    name: such as America/Lima; offsets: int64 [changes + 1, 2], read-only: from which second since the epoch
    on, and the seconds by which local time is then ahead of UTC.
    """

    name: str
    offsets: Offsets

    @property
    def number(self) -> int:
        """The number that files know it by: 0 for the default, and so for files older than the number."""
        if self.name == DEFAULT_TIME_ZONE:
            return 0
        digest = hashlib.sha256(self.name.encode()).digest()
        return int.from_bytes(digest[:_NUMBER_BYTES], "little")

    def agrees_with(self, other: TimeZone) -> bool:
        """Returns whether local time is always the same in both, as in America/Lima and America/Bogota."""
        return np.array_equal(self.offsets, other.offsets)

    def __reduce__(self) -> tuple[Any, ...]:
        # By name: a pickled array comes back writeable, and functions would be compiled anew for that type.
        return time_zone, (self.name,)


@cache
def time_zone_names() -> frozenset[str]:
    """Returns the names of all zones."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def checked_time_zone(name: str) -> str:
    """Returns an IANA time zone's name as it is. Raises ValueError, with the nearest name, for another."""
    if name in time_zone_names():
        return name
    names = sorted(time_zone_names(), reverse=True)
    near = [zone for zone in names if _city(zone) == _city(name)]
    near = near or difflib.get_close_matches(name, names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"Peru's is {DEFAULT_TIME_ZONE}"
    raise ValueError(f"{name!r} is not an IANA time zone; {advice}")


def _city(name: str) -> str:
    return name.rpartition("/")[2].lower()


@cache
def time_zone(name: str = DEFAULT_TIME_ZONE) -> TimeZone:
    """Returns a zone by its name. Raises ValueError where no zone has it."""
    file = resources.files("tzdata").joinpath("zoneinfo", *checked_time_zone(name).split("/"))
    with file.open("rb") as rules:
        offsets = np.array(_changes(zoneinfo.ZoneInfo.from_file(rules, key=name)), dtype=np.int64)
    offsets.flags.writeable = False
    return TimeZone(name, offsets)


def numbered_time_zone(number: int) -> TimeZone | None:
    """Returns the zone that has a number; None where this release knows none."""
    for name in (DEFAULT_TIME_ZONE, *time_zone_names()):
        if TimeZone(name, _NO_OFFSETS).number == number:
            return time_zone(name)
    return None


_NO_OFFSETS = np.empty((0, 2), dtype=np.int64)


def _changes(zone: zoneinfo.ZoneInfo) -> list[tuple[int, int]]:
    def offset(second: int) -> int:
        ahead = datetime.fromtimestamp(second, zone).utcoffset()
        return 0 if ahead is None else round(ahead.total_seconds())

    found = [(_ALWAYS_S, offset(_FIRST_S))]
    for second in range(_FIRST_S + _STEP_S, _LAST_S + 1, _STEP_S):
        now = offset(second)
        if now == found[-1][1]:
            continue
        before, after = second - _STEP_S, second
        while after - before > 1:
            middle = (before + after) // 2
            before, after = (before, middle) if offset(middle) == now else (middle, after)
        found.append((after, now))
    return found
