"""A folder for one process at a time: a lock that ends with whoever holds it, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from kuntur.files.private import make_private, open_private


class Alone:
    """A lock that is held."""

    def __init__(self, path: Path, taken: str) -> None:
        """Takes the lock of a file, which is made with its folder where they are not there.

        taken: what is said when another process holds it. Raises OSError, also then.
        """
        make_private(path.parent)
        self._descriptor = open_private(path, os.O_RDWR)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise OSError(errno.EBUSY, taken, str(path.parent)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leaves it to others. Twice is once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
