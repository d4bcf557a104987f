"""The first words of a region: what it is, whose, and how large; written, checked, restored.

A file whose header is not that of this server is left alone: at most one damaged word of it is changed.
"""

from __future__ import annotations

import os
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kuntur.history import HistorySizes
from kuntur.records.seals import seal_of
from kuntur.time_zone import TimeZone, numbered_time_zone
from server.host.boot import boot_number
from server.state.region.damage import Damage
from server.state.region.layout import (
    PAGE_WORDS,
    InterruptedRegionError,
    RegionError,
    layout_number,
    words_of,
)

_MAGIC = int.from_bytes(b"KNTRSTAT", "little")
_FORM = 4
# Words of the header.
_H_MAGIC, _H_FORM, _H_LAYOUT, _H_BOOT, _H_CLOSED = 0, 1, 2, 3, 4
H_ZONE, H_SIZES, H_SEAL = 5, 8, 16
SMALLER = "set smaller history.max_accounts, max_merchants, max_devices or recent_transactions"
Memory = npt.NDArray[np.int64]


def header_of(sizes: HistorySizes, zone: TimeZone, *, closed: bool) -> Memory:
    """Returns the header of a region, its seal last; closed: whether it was closed in order."""
    header = np.zeros(H_SEAL + 1, dtype=np.int64)
    header[_H_MAGIC], header[_H_FORM], header[_H_LAYOUT] = _MAGIC, _FORM, layout_number()
    header[_H_BOOT], header[_H_CLOSED], header[H_ZONE] = boot_number(), closed, zone.number
    header[H_SIZES : H_SIZES + len(fields(HistorySizes))] = astuple(sizes)
    header[H_SEAL] = seal_of(header, 0, H_SEAL)
    return header


def sealed_sizes(fd: int) -> tuple[HistorySizes, TimeZone | None]:
    """Returns the sizes and time zone in a region's header. Raises RegionError when it is damaged."""
    header = np.frombuffer(os.pread(fd, 8 * PAGE_WORDS, 0), dtype=np.int64)
    if header[H_SEAL] != seal_of(header, 0, H_SEAL):
        raise RegionError("the history that is shared has a damaged header: restart the server")
    sizes = HistorySizes(*header[H_SIZES : H_SIZES + len(fields(HistorySizes))].tolist())
    return sizes, numbered_time_zone(int(header[H_ZONE]))


def was_closed(fd: int) -> bool:
    """Returns whether a region with a sound header was closed in order."""
    return bool(np.frombuffer(os.pread(fd, 8 * PAGE_WORDS, 0), dtype=np.int64)[_H_CLOSED])


def check_room(path: Path, fd: int, size_bytes: int) -> None:
    """Raises RegionError when the file system could not hold the whole file: using it would end us then."""
    state = os.fstatvfs(fd)
    free = state.f_bavail * state.f_frsize + os.fstat(fd).st_blocks * 512
    if free < size_bytes:
        raise RegionError(
            f"{path} may take {size_bytes / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free: " + SMALLER
        )


def check_header(path: Path, fd: int, sizes: HistorySizes, zone: TimeZone, damage: Damage) -> None:
    """Raises RegionError when a file is not a region of these sizes and this zone; restores one word."""
    raw = os.pread(fd, 8 * PAGE_WORDS, 0)
    header = np.frombuffer(bytearray(raw.ljust(8 * PAGE_WORDS, b"\0")), dtype=np.int64)
    holds = header[H_SEAL] == seal_of(header, 0, H_SEAL)
    if not holds and _put_right(header, sizes, zone):
        damage.header()
        os.pwrite(fd, header[: H_SEAL + 1].tobytes(), 0)
        holds = True
    away = "move it away to begin anew: from the journal, or else send the past again by Backfill"
    if header[_H_MAGIC] != _MAGIC:
        raise RegionError(f"{path} is not a finished history of this server; {away}")
    if (header[_H_FORM], header[_H_LAYOUT]) != (_FORM, layout_number()):
        raise RegionError(f"{path} was written by a release that keeps other records; {away}")
    kept = HistorySizes(*header[H_SIZES : H_SIZES + len(fields(HistorySizes))].tolist())
    if kept != sizes:
        differing = ", ".join(
            f"{f.name} {getattr(kept, f.name):,} there and {getattr(sizes, f.name):,} in the settings"
            for f in fields(HistorySizes)
            if getattr(kept, f.name) != getattr(sizes, f.name)
        )
        raise RegionError(f"{path} has other sizes ({differing}); set these, or {away}")
    if not holds:
        raise RegionError(f"{path} has a damaged header; {away}")
    _check_zone(path, int(header[H_ZONE]), zone, away)
    if os.fstat(fd).st_size > 8 * words_of(sizes, sealed=True):
        raise RegionError(f"{path} is longer than its sizes say; {away}")
    if header[_H_BOOT] != boot_number() and not header[_H_CLOSED]:
        raise InterruptedRegionError(f"{path} was open when the machine went down and may be damaged; {away}")


def _check_zone(path: Path, number: int, zone: TimeZone, away: str) -> None:
    """Raises RegionError when nights were counted in another time zone; number: that of the file's."""
    kept = numbered_time_zone(number)
    if kept is not None and kept.agrees_with(zone):
        return
    name = "one that this release does not know" if kept is None else kept.name
    raise RegionError(
        f"{path} counts its nights in another time zone ({name} there and {zone.name} in the settings); "
        f"set institution.time_zone, or {away}"
    )


def _put_right(header: Memory, sizes: HistorySizes, zone: TimeZone) -> bool:
    """Restores the one word with which the header is again as it was sealed; returns whether there is one."""
    written = {_H_MAGIC: [_MAGIC], _H_FORM: [_FORM], _H_LAYOUT: [layout_number()]}
    written |= {_H_BOOT: [boot_number()], _H_CLOSED: [0, 1], H_ZONE: [zone.number]}
    written |= {H_SIZES + place: [size] for place, size in enumerate(astuple(sizes))}
    for word in range(H_SEAL):
        damaged = int(header[word])
        for value in written.get(word, [0]):
            header[word] = value
            if header[H_SEAL] == seal_of(header, 0, H_SEAL):
                return True
        header[word] = damaged
    expected = all(int(header[word]) in values for word, values in written.items())
    if expected:  # so it is the seal
        header[H_SEAL] = seal_of(header, 0, H_SEAL)
    return expected
