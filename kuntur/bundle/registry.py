"""The registry: a directory of bundles, and a file that names the one to be live."""

from __future__ import annotations

import os
from pathlib import Path

from kuntur.bundle.files import read_file
from kuntur.files.paths import UnusableFileError, sync

LIVE = "LIVE"
_MAX_BYTES = 4 << 10


class RegistryError(OSError):
    """A registry that is not as it should be: what, and where."""


class Registry:
    """A directory of bundles, and which of them is to be live."""

    def __init__(self, path: Path) -> None:
        """Takes a directory, which need not exist yet."""
        self.path = path

    def versions(self) -> list[str]:
        """Names the bundles, sorted; drafts are not among them."""
        if not self.path.is_dir():
            return []
        named = (path for path in self.path.iterdir() if path.name != LIVE and not path.name.startswith("."))
        return sorted(path.name for path in named if path.is_dir())

    def live_version(self) -> str | None:
        """Returns the version that is to be live, None when none was chosen.

        Raises RegistryError when `LIVE` is something else than a small file, OSError when it cannot be read.
        """
        try:
            content = read_file(self.path, LIVE, _MAX_BYTES)
        except FileNotFoundError:
            return None
        except UnusableFileError as error:
            raise RegistryError(f"{self.path / LIVE} {error}") from error
        return content.decode(errors="replace").strip() or None

    def set_live(self, model_version: str) -> None:
        """Chooses the version that is to be live, at once and whole."""
        draft = self.path / f".{LIVE}.{os.getpid()}"
        draft.write_text(model_version + "\n", encoding="utf-8")
        sync(draft)
        draft.rename(self.path / LIVE)
        sync(self.path)

    def bundle_path(self, model_version: str) -> Path:
        """Returns where a version's bundle lies."""
        return self.path / model_version
