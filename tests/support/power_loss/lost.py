"""What the disk of a machine that lost its power may hold, of what was recorded until then.

What was synced is there. Of the rest each sector may be as it was at any time since, each file as long as it
was at any time since, and each name lead where it did at any time since, one independently of the other. What
a failed sync was to write may be lost for good, even where a later one does not fail.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TypeVar

from tests.support.power_loss.recording import (
    ROOT,
    SECTOR,
    Event,
    Made,
    Mapped,
    Named,
    Resized,
    Synced,
    Wrote,
)

_NOTHING = bytes(SECTOR)
T = TypeVar("T")
_PAGE = 4096 // SECTOR


class _File:
    """A file: what each of its sectors, and its size, may be, the last of each as the program sees it."""

    def __init__(self) -> None:
        self.sectors: dict[int, list[bytes]] = {}
        self.sizes = [0]
        self._seen = bytearray()
        self._given_up: set[int] = set()  # what a failed sync was to write

    def write(self, offset: int, content: bytes) -> None:
        end = offset + len(content)
        self._seen.extend(bytes(max(0, end - len(self._seen))))
        self._seen[offset:end] = content
        self._changed(offset, end)

    def resize(self, size: int) -> None:
        before = len(self._seen)
        if size < before:
            self._seen[size:] = bytes(before - size)
            self._changed(size, before)
            del self._seen[size:]
        else:
            self._seen.extend(bytes(size - before))
        self.sizes.append(size)

    def map(self, sectors: dict[int, bytes]) -> None:
        for number, content in sectors.items():
            self.write(number * SECTOR, content)

    def _changed(self, begin: int, end: int) -> None:
        for number in range(begin // SECTOR, -(-end // SECTOR)):
            now = bytes(self._seen[number * SECTOR : (number + 1) * SECTOR]).ljust(SECTOR, b"\0")
            self.sectors.setdefault(number, [_NOTHING]).append(now)
            self._given_up.discard(number)
        self.sizes.append(len(self._seen))

    def sync(self, *, done: bool) -> None:
        for number, versions in self.sectors.items():
            if not done and len(versions) > 1:
                self._given_up.add(number)
            elif number not in self._given_up:
                del versions[:-1]
        if done:
            del self.sizes[:-1]

    def content(self, chance: random.Random) -> bytes:
        how = chance.choice(("least", "most", "sectors", "sectors", "pages", "few"))
        size = _chosen(self.sizes, how, chance.random(), chance)
        found = bytearray(size + SECTOR)
        moment = chance.random()
        for number, versions in sorted(self.sectors.items()):
            if number % _PAGE == 0 or how != "pages":
                moment = chance.random()
            found[number * SECTOR : (number + 1) * SECTOR] = _chosen(versions, how, moment, chance)
        return bytes(found[:size])


class Disk:
    """Files and folders after some events."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._folders: dict[int, dict[str, list[int]]] = {ROOT: {}}

    def apply(self, event: Event) -> None:
        """Takes the next event."""
        match event:
            case Made(number, folder):
                if folder:
                    self._folders[number] = {}
                else:
                    self._files[number] = _File()
            case Named(folder, name, number):
                self._folders[folder].setdefault(name, [-1]).append(number)
            case Wrote(number, offset, content):
                self._files[number].write(offset, content)
            case Resized(number, size):
                self._files[number].resize(size)
            case Mapped(number, sectors):
                self._files[number].map(sectors)
            case Synced(number, done) if number in self._folders:
                for targets in self._folders[number].values():
                    del targets[:-1]
            case Synced(number, done):
                self._files[number].sync(done=done)

    def all_synced(self) -> None:
        """Has everything on the disk: what is found when the machine starts."""
        for file in self._files.values():
            file.sync(done=True)
        for names in self._folders.values():
            for targets in names.values():
                del targets[:-1]

    def build(self, to: Path, chance: random.Random) -> None:
        """Makes one of the folders that there may be after a loss of power."""
        self._build(ROOT, to, chance)

    def _build(self, folder: int, to: Path, chance: random.Random) -> None:
        to.mkdir(mode=0o700)
        how = chance.choice(("least", "most", "sectors"))
        for name, targets in self._folders[folder].items():
            number = _chosen(targets, how, chance.random(), chance)
            if number in self._folders:
                self._build(number, to / name, chance)
            elif number >= 0:
                (to / name).write_bytes(self._files[number].content(chance))


def _chosen(versions: list[T], how: str, moment: float, chance: random.Random) -> T:
    if how == "least":
        return versions[0]
    if how == "most":
        return versions[-1]
    if how == "few":  # nearly all is written
        return versions[-1] if moment < 0.9 else chance.choice(versions)
    return versions[min(len(versions) - 1, int(moment * len(versions)))]
