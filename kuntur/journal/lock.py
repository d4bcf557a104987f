"""The lock of a journal's directory: one server writes there, of however many processes.

A lock ends with the last process that has its descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from kuntur.files.private import is_at, make_private, open_private

_NAME = "writer.lock"


class JournalLock:
    """A lock that is held. Those of a directory exclude each other."""

    def __init__(self, directory: Path, *, make: bool = True) -> None:
        """Takes the lock of a directory; make: whether to make one that is not there.

        Raises OSError, also when someone else has the lock.
        """
        if make:
            make_private(directory)
        self._path = directory / _NAME
        self.descriptor = open_private(self._path, os.O_WRONLY)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            message = "another server writes this journal; give each a directory of its own"
            raise OSError(errno.EBUSY, message, str(directory)) from error
        except BaseException:
            self.close()
            raise

    @property
    def holds(self) -> bool:
        """Whether the directory is still the one that was locked. Raises OSError."""
        return is_at(self.descriptor, self._path)

    def close(self) -> None:
        """Releases the lock, unless another process has inherited it. Twice is once."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
