"""Bytes of a journal that are no entries, kept in files beside it: nothing is ever deleted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO

from kuntur.files.paths import sync

_CHUNK = 1 << 20
_UNFINISHED = ".unfinished"


def set_aside(path: Path, offset: int, end: int) -> Path:
    """Copies bytes of a file to a new one beside it, `NAME.damaged-at-OFFSET`, and returns that.

    The copy is for its owner alone, and on the disk when this returns. One with the same bytes that is there
    already, as after a repair that was cut off, serves; one with others stays, and the name gets a number.
    Raises OSError.
    """
    with path.open("rb") as file:
        unfinished = path.with_name(path.name + _UNFINISHED)
        write_whole(unfinished, _chunks(file, offset, end))
        for number in count(1):
            aside = path.with_name(f"{path.name}.damaged-at-{offset}" + (f"-{number}" if number > 1 else ""))
            if not aside.exists():
                unfinished.rename(aside)
                break
            with aside.open("rb") as there:
                if _same(_chunks(file, offset, end), there):
                    unfinished.unlink()
                    break
    sync(path.parent)
    return aside


def replace_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file, in place of one that is there, whole or not at all; as `write_whole`."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    write_whole(unfinished, chunks)
    unfinished.replace(path)
    sync(path.parent)


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Writes a file for the owner alone, and waits until it is on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:  # a full disk does not say of itself which file it was
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _chunks(file: BinaryIO, offset: int, end: int) -> Iterator[bytes]:
    file.seek(offset)
    while offset < end and (chunk := file.read(min(_CHUNK, end - offset))):
        offset += len(chunk)
        yield chunk


def _same(chunks: Iterable[bytes], there: BinaryIO) -> bool:
    return all(chunk == there.read(len(chunk)) for chunk in chunks) and not there.read(1)
