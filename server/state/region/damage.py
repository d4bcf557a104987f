"""Logs what was found damaged in a region, and sets aside in a file what was taken out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from kuntur.history.repair import Repair

_LOG = structlog.get_logger(__name__)
_AFRESH = "entities without a history get the features of new ones; send the past again by Backfill"


class Damage:
    """What is wrong with one region, collected while it is mended."""

    def __init__(self, path: Path | None) -> None:
        """Takes the file of the region, None for one in memory."""
        self._path = path
        self._found: list[tuple[str, dict[str, int | str]]] = []
        self._lost: list[tuple[str, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def emptied(self, *, missing: bool) -> None:
        """Notes that there is no history where there was one."""
        was = "is gone although there was one" if missing else "was emptied"
        self._note(f"the history file {was}: all histories start afresh; {_AFRESH}")

    def cut(self, size: int, needed: int) -> None:
        """Notes that the file had been cut."""
        self._note(
            f"the history file was cut: what stood behind the cut is lost; {_AFRESH}",
            bytes_left=size,
            bytes_whole=needed,
        )

    def not_written(self, error: OSError) -> None:
        """Notes that the history could not be written to the disk when it was closed."""
        self._note(
            "the history could not be written to the disk: it is whole until the machine is started anew",
            reason=error.strerror or str(error),
        )

    def header(self) -> None:
        """Notes that a word of the header was restored."""
        self._note("a word of the history's header was damaged and has been put right")

    def undo_log(self) -> None:
        """Notes that the undo log cannot be followed."""
        self._note(
            "the history's undo log was damaged: what was being counted when a process died may be counted "
            "in part, and records that were being written start afresh"
        )

    def parts(self, repairs: Mapping[str, Repair]) -> None:
        """Notes what was mended in each part."""
        for part, found in repairs.items():
            if found.header:
                self._note("a header of the history was damaged and has been made anew", part=part)
            if found.index:
                self._note("an index of the history was damaged and has been made anew", part=part)
            if found.lost:
                self._note(
                    f"records of the history were damaged and have been taken out; {_AFRESH}",
                    part=part,
                    records=found.lost,
                )
            self._lost += [(part, record) for record in found.records]

    def tell(self) -> None:
        """Sets aside what was taken out, and logs everything that was noted."""
        aside: dict[str, str] = {}
        if self._lost and self._path is not None:
            try:
                aside["set_aside"] = str(set_aside(self._path, self._lost))
            except OSError as error:
                aside["not_set_aside"] = str(error)
        for event, details in self._found:
            _LOG.error(event, **({"file": str(self._path)} if self._path else {}), **details, **aside)

    def _note(self, event: str, **details: int | str) -> None:
        self._found.append((event, details))


def set_aside(path: Path, records: list[tuple[str, bytes]]) -> Path:
    """Writes records to a new file `….damaged-N` beside the region's, a line of JSON each; returns it.

    Raises OSError.
    """
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.damaged-{number}")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            number += 1
            continue
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            for part, record in records:
                file.write(json.dumps({"part": part, "record": record.hex()}) + "\n")
        return aside


def begun_before(path: Path) -> bool:
    """Returns whether a region was ever begun in a file, though it may be gone."""
    return _mark(path).exists()


def remember_beginning(path: Path) -> None:
    """Leaves a mark beside a region's file, so that its loss is noticed."""
    os.close(os.open(_mark(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def begin_anew(path: Path) -> Path:
    """Moves a region's file aside, over one that was moved there before, and returns where it is then.

    Its loss is none: it is made anew from elsewhere.
    """
    aside = path.with_name(f"{path.name}.interrupted")
    path.replace(aside)
    _mark(path).unlink(missing_ok=True)
    return aside


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.begun")
