"""Compiles a program's functions ahead, for an image or an installation, and checks what was compiled."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kuntur.compiled.places import ahead_folder, choose_ahead
from kuntur.compiled.processor import Baseline, baseline, lacking
from kuntur.compiled.progress import tally, watch

_TOLD_EVERY_S = 5.0


class CompileError(Exception):
    """Nothing can be compiled ahead here, or what was compiled does not fit; the message says what to do."""


@dataclass(frozen=True, slots=True)
class CompiledAhead:
    """What stands in the folder now.

    processor: the baseline that it was compiled for; size_bytes: of the whole folder; found, compiled: how
    many functions were there already, and how many were added.
    """

    folder: Path
    processor: str
    size_bytes: int
    found: int
    compiled: int
    seconds: float

    def told(self) -> str:
        """Returns it as a sentence."""
        return (
            f"{self.found + self.compiled} functions for {self.processor}, {self.compiled} of them compiled "
            f"now, in {self.seconds:.0f} s; {self.size_bytes / 1e6:.1f} MB in {self.folder}"
        )


def compile_ahead(run: Callable[[], None], *, check: bool, say: Callable[[str], None]) -> CompiledAhead:
    """Runs all of a program's compiled functions and keeps them beside the code.

    run: imports them and calls each with the types that the program uses; check: keeps nothing, and fails
    where one is missing; say: called with each message of progress. Must be called before numba is imported.
    Raises CompileError.
    """
    wanted = _usable_baseline()
    if check and not ahead_folder(wanted).is_dir():
        raise CompileError(
            f"nothing was compiled ahead for this state of the code: {ahead_folder(wanted)} is missing; "
            "run the command without --check"
        )
    if not check:
        _forget_former(ahead_folder(wanted))
    try:
        folder = choose_ahead(wanted, keep=not check)
    except OSError as error:
        raise CompileError(
            f"compiled functions are kept beside the code, and {ahead_folder(wanted)} cannot be written: "
            f"{error.strerror}"
        ) from error
    began = told = time.monotonic()
    missing: list[str] = []

    def note(name: str) -> None:
        nonlocal told
        missing.append(name)
        if time.monotonic() - told >= _TOLD_EVERY_S:
            told = time.monotonic()
            say(f"{len(missing)} functions, now {name}")

    watch(note)
    run()
    if check and missing:
        raise CompileError(
            f"{len(missing)} functions are missing in {folder}, such as {missing[0]}; "
            "run the command without --check"
        )
    counts = tally()
    return CompiledAhead(
        folder=folder,
        processor=wanted.name,
        size_bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        found=counts.found,
        compiled=counts.compiled,
        seconds=time.monotonic() - began,
    )


def _forget_former(folder: Path) -> None:
    """Removes what was compiled for other states of the code, which nothing looks for any more."""
    for former in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if former != folder:
            shutil.rmtree(former, ignore_errors=True)


def _usable_baseline() -> Baseline:
    wanted = baseline()
    if wanted is None:
        raise CompileError(
            "no baseline is known for this family of processors; functions are compiled at the first start"
        )
    if absent := lacking(wanted):
        raise CompileError(
            f"this processor lacks {', '.join(absent)} of {wanted.name}: compile on one that has it; "
            "here functions are compiled at the first start"
        )
    return wanted
