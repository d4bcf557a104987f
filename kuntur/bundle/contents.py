"""What lies in a bundle's directory, by name, before any of it is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kuntur.bundle.refusal import BundleRefusedError, RefusalReason

MAX_FILES = 1_000
_MAX_DEPTH = 16
_SHOWN = 100  # characters of a name that somebody else chose


def names_below(directory: Path) -> frozenset[str]:
    """Returns the path of everything below a directory that is no directory itself, with slashes.

    Follows no links. Raises BundleRefusedError for more than MAX_FILES of them, or if they cannot be listed.
    """
    found: list[str] = []
    waiting = [(directory, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        found.append(prefix + entry.name)
                    elif depth < _MAX_DEPTH:
                        waiting.append((folder / entry.name, f"{prefix}{entry.name}/", depth + 1))
                    else:
                        raise _surplus(f"folders lie more than {_MAX_DEPTH} deep")
                    if len(found) + len(waiting) > MAX_FILES:
                        raise _surplus(f"there are more than {MAX_FILES:,} files")
        except OSError as error:
            message = f"its files cannot be listed: {error.strerror}"
            raise BundleRefusedError(RefusalReason.INCOMPLETE, message) from error
    return frozenset(found)


def check_plain(names: Iterable[str]) -> None:
    """Raises BundleRefusedError for a name that leads out of the bundle, or that is oddly written."""
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            message = f"{shown(name)} lies outside the bundle"
            raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message)
        if str(path) != name or name == "." or not name.isprintable():
            message = f"{shown(name)!r} is no plain path"
            raise BundleRefusedError(RefusalReason.MANIFEST_INVALID, message)


def check_no_more(found: Iterable[str], named: Iterable[str]) -> None:
    """Raises BundleRefusedError for a file that is found and not named."""
    surplus = sorted(frozenset(found) - frozenset(named))
    if surplus:
        more = f" and {len(surplus) - 1:,} more" if len(surplus) > 1 else ""
        raise _surplus(f"{shown(surplus[0])}{more}: the manifest names no such file")


def shown(name: str) -> str:
    """Returns a name of unknown origin as it may stand in a message."""
    text = name.encode("utf-8", errors="replace").decode()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_SHOWN])


def _surplus(message: str) -> BundleRefusedError:
    return BundleRefusedError(RefusalReason.SURPLUS_FILE, message)
