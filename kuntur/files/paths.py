"""Which files a path or glob names, reading them within bounds, and waiting until they are on the disk.

A pipe blocks whoever opens it, and a device may never end: files of settings and mappings, whatever a path
or link leads to, are opened without waiting, have to be regular ones, and are read within a bound.

Nothing but the standard library is loaded here, so that a mistyped path is refused before anything heavy is.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

# The ending of a file's name and the format it stands for.
FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_GLOB_CHARACTERS = frozenset("*?[")
_MAPPINGS = Path(__file__).parents[1] / "tables" / "mappings"
MAX_SETTINGS_BYTES = 1 << 20
"""Largest file of settings, mapping or recipe; the longest that make sense have some kilobytes."""


class UnusableFileError(ValueError):
    """A file that is not read: what it is, in words that follow its name."""


def sync(path: Path) -> None:
    """Waits until a file, or the names in a directory, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def content_of(descriptor: int, max_bytes: int) -> bytes:
    """Returns the content of an open file.

    Raises UnusableFileError when it is no regular file, or larger than `max_bytes`; OSError.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFileError("is not a regular file")
    if status.st_size > max_bytes:
        raise UnusableFileError(f"has {status.st_size:,} bytes, more than the {max_bytes:,} that are read")
    with open(descriptor, "rb", closefd=False) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grows, or tells no size
        raise UnusableFileError(f"has more than the {max_bytes:,} bytes that are read")
    return content


def read_settings(path: str | Path) -> str:
    """Returns the text of a file of settings, a mapping or a recipe; the path may be a link.

    Raises UnusableFileError, in words that follow its name, when it is no regular file, larger than
    MAX_SETTINGS_BYTES or not UTF-8; OSError when it is not there or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return content_of(descriptor, MAX_SETTINGS_BYTES).decode()
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"is not UTF-8 (byte {error.start + 1:,})") from error
    finally:
        os.close(descriptor)


def matches(pattern: str) -> list[Path]:
    """Returns the files or folders that a path or a glob names, sorted; none where there is none."""
    path = Path(pattern).expanduser()
    if path.exists():
        return [path]
    if not _GLOB_CHARACTERS & set(pattern):
        return []
    root = Path(path.anchor) if path.anchor else Path()
    return sorted(root.glob(str(path.relative_to(path.anchor))))


def path_problem(path: Path, file_format: str | None) -> str | None:
    """Returns why a path that exists cannot be read as a file of transactions; None where it may be.

    file_format: one of the values of FORMATS for all files, None where each file's ending says it.
    """
    if path.is_dir():
        return f"{path}: is a folder; name its files, such as {path}/*.parquet"
    if not path.is_file():
        return f"{path}: is not a regular file"
    if file_format is None and path.suffix.lower() not in FORMATS:
        return (
            f"{path}: extension {path.suffix!r} is none of {', '.join(FORMATS)}; name the format of such "
            'files in the mapping, such as file_format = "csv"'
        )
    return None


def refusal(lines: Iterable[str]) -> str:
    """Returns the problems of files as one message."""
    return "\n".join(["cannot read the files:", *(f"  {line}" for line in lines)])


def missing_files(patterns: Iterable[str]) -> str | None:
    """Returns a message that names every path or glob without a file; None where each has one."""
    lines = [f"{pattern}: no such file" for pattern in patterns if not matches(pattern)]
    return refusal(lines) if lines else None


def shipped_mappings() -> tuple[str, ...]:
    """Returns the names of the mappings that come with Kuntur."""
    return tuple(sorted(path.stem for path in _MAPPINGS.glob("*.toml")))


def missing_mapping(name: str) -> str | None:
    """Returns a message where there is no mapping of this name or path; None where there is something."""
    if name in shipped_mappings() or Path(name).exists():
        return None
    return f"no mapping {name!r}: no such file, and the shipped ones are {', '.join(shipped_mappings())}"
