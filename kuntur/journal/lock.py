"""The lock of a journal's directory: one server writes there, of however many processes.

The server holds the lock of the directory that it was given, for itself or for its workers, which inherit
the descriptor; each worker holds that of its own directory below. A lock ends with the last process that has
its descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from kuntur.files.private import is_at, make_private, open_private

_NAME = "writer.lock"


class JournalLock:
    """A lock that is held. Those of a directory exclude each other, unless both are shared."""

    def __init__(self, directory: Path, *, shared: bool = False, make: bool = True) -> None:
        """Takes the lock of a directory; make: whether to make one that is not there.

        Raises OSError, also when someone else has the lock.
        """
        if make:
            make_private(directory)
        self._path = directory / _NAME
        self.descriptor = open_private(self._path, os.O_WRONLY)
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
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


class ServersLock:
    """The lock of the directory above a worker's, which its server took for all of its workers.

    When that directory was removed and is there again, the workers take the lock together.
    """

    def __init__(self, directory: Path, inherited: int) -> None:
        """Takes the directory and the descriptor of the server's lock."""
        self._directory, self._inherited = directory, inherited
        self._own: JournalLock | None = None

    @property
    def holds(self) -> bool:
        """Whether the directory is still the one that was locked. Raises OSError."""
        if self._own is not None:
            return self._own.holds
        return is_at(self._inherited, self._directory / _NAME)

    def retake(self) -> None:
        """Takes the lock of the directory that is there now. Raises OSError."""
        self.close()
        self._own = JournalLock(self._directory, shared=True, make=False)

    def close(self) -> None:
        """Releases what was taken anew; the inherited lock ends with the process."""
        if self._own is not None:
            self._own.close()
            self._own = None
