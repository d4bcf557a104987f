"""The newest model that was ever live: kept in a file that outlives the server, or in memory."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kuntur.files.paths import UnusableFileError, content_of
from kuntur.files.private import make_private
from kuntur.files.whole import replace_whole

_MAX_BYTES = 4 << 10


class NewestLiveError(OSError):
    """A file that cannot be read or written, or holds something else: which one, and why."""


@dataclass(frozen=True, slots=True)
class Newest:
    """A model and when it was published, an aware time."""

    model_version: str
    time: datetime


class NewestLive:
    """Keeps which model was the newest. Several processes may share the file."""

    def __init__(self, path: Path | None) -> None:
        """Takes the file, which need not exist yet; None keeps it in memory."""
        self.path = path
        self._known: Newest | None = None

    def read(self) -> Newest | None:
        """Returns the newest model, None before the first. Raises NewestLiveError."""
        if self.path is None:
            return self._known
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise NewestLiveError(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            told = json.loads(content_of(descriptor, _MAX_BYTES))
            newest = Newest(str(told["model_version"]), datetime.fromisoformat(told["published_time"]))
        except UnusableFileError as error:
            raise NewestLiveError(f"{self.path} {error}") from error
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise NewestLiveError(f"{self.path} does not hold a model and its time") from error
        except OSError as error:
            raise NewestLiveError(f"{self.path} cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)
        if newest.time.tzinfo is None:
            raise NewestLiveError(f"{self.path} holds a time without a zone")
        return newest

    def raise_to(self, newest: Newest) -> None:
        """Takes a model that went live; one that is older than what is kept changes nothing.

        Raises NewestLiveError.
        """
        with self._alone():
            known = self.read()
            if known is None or newest.time > known.time:
                self._write(newest)

    def lower_to(self, newest: Newest) -> Newest | None:
        """Takes a model to go back to, whatever was kept, and returns that. Raises NewestLiveError."""
        with self._alone():
            try:
                known = self.read()
            except NewestLiveError:  # a damaged file is put right by whoever says what it is to hold
                known = None
            self._write(newest)
            return known

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps other processes out while the file is read and written."""
        if self.path is None:
            yield
            return
        try:
            make_private(self.path.parent)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NewestLiveError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _write(self, newest: Newest) -> None:
        self._known = newest
        if self.path is None:
            return
        content = {"model_version": newest.model_version, "published_time": newest.time.isoformat()}
        try:
            replace_whole(self.path, f"{json.dumps(content)}\n".encode())
        except OSError as error:
            raise NewestLiveError(f"{self.path} cannot be written: {error.strerror}") from error
