"""Has snapshots taken at intervals, and removes files of the journal that nothing needs any more."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from server.host.child import started
from server.journal.encryption import keys_of
from server.journal.retention import remove_expired
from server.journal.writer import JournalWriter
from server.settings.config import ServerSettings
from server.settings.passing import settings_to_line

_LOG = structlog.get_logger(__name__)


class SnapshotKeeper:
    """Takes snapshots for one server until it is stopped."""

    def __init__(
        self,
        settings: ServerSettings,
        directory: Path,
        in_files: Callable[[], int],
        signed: Callable[[], int],
    ) -> None:
        """Takes the settings and the directory of the journal.

        in_files: returns the first entry that is not on the disk; signed: how many entries are signed, where
        the journal is: others are not removed.
        """
        self._settings, self._directory = settings, directory
        self._in_files, self._signed = in_files, signed
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="history-snapshots", daemon=True)
        self.sequence = 0
        """Of the last entry that the newest snapshot of this server contains; 0: it has taken none."""
        self.failed = 0
        """How often none could be taken."""

    def start(self) -> None:
        """Begins, unless the settings ask for no snapshots."""
        if self._settings.history.snapshot_interval_s:
            self._thread.start()

    def stop(self) -> None:
        """Ends; a snapshot that is being taken is given up."""
        with self._lock:
            self._stopping.set()
            if self._process is not None:
                self._process.terminate()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._settings.history.snapshot_interval_s):
            try:
                # In Redis it outlives the journal.
                of_redis = self._settings.history.store == "redis"
                keep_from = self._in_files() if of_redis else self._take()
                if keep_from is not None:
                    self._remove(keep_from)
            except Exception as error:
                self.failed += 1
                _LOG.error("no snapshot of the history could be taken", reason=str(error))

    def _take(self) -> int | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            self._process = started("snapshot")
        told, _ = self._process.communicate(settings_to_line(self._settings))
        code, self._process = self._process.returncode, None
        if code:
            if not self._stopping.is_set():
                self.failed += 1
                _LOG.error("no snapshot of the history could be taken", exit_status=code)
            return None
        taken = json.loads(told)
        self.sequence = taken["sequence"]
        _LOG.info(
            "a snapshot of the history was taken", entry=self.sequence, seconds=round(taken["seconds"], 1)
        )
        return int(taken["keep_from"])

    def _remove(self, keep_from: int) -> None:
        journal = self._settings.journal
        if journal.signing.keys is not None:
            keep_from = min(keep_from, self._signed() + 1)
        if journal.retention_days is not None or journal.retention_bytes is not None:
            remove_expired(
                self._directory,
                keep_from=keep_from,
                days=journal.retention_days,
                max_bytes=journal.retention_bytes,
                keys=keys_of(journal),
            )


def snapshots_beside(
    writer: JournalWriter, settings: ServerSettings, signed: Callable[[], int]
) -> SnapshotKeeper:
    """Returns what takes snapshots of a journal that is written; signed: as `SnapshotKeeper` takes it."""
    return SnapshotKeeper(settings, writer.directory, lambda: writer.buffer.first_kept, signed)
