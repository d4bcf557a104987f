"""Keeps the signing process running: starts it, restarts it with pauses, ends it after the journal.

The server serves on whatever becomes of it: that nothing is signed is a loud line in the log and a metric,
never a refused call.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections import Counter

import structlog

from server.host.child import give_order, started
from server.settings.config import ServerSettings
from server.signing.order import REFUSED, WAITS, Said, SigningOrder

_LOG = structlog.get_logger(__name__)
_STEADY_S = 10.0  # a process that lived this long had begun well
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_REFUSED_PAUSE_S = 60.0
_END_S = 15.0  # for the last checkpoint
REASONS = ("refused", "died", "told")
"""What goes wrong: it refuses to sign, it ended unasked, or it said what its operator should know."""


class SigningKeeper:
    """The signing process of a server."""

    def __init__(self, order: SigningOrder) -> None:
        """Takes the order; nothing runs yet."""
        self._order = order
        self.size = 0
        """Entries that the newest checkpoint is over, as far as is known."""
        self.failures: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        """How often something went wrong, by reason."""
        self.signing = False
        """Whether a process signs: one runs, and has been able to sign."""
        self._current = time.monotonic()
        self._said: tuple[str, str] | None = None  # reason and sentence that were logged last
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._keep, name="journal-signing", daemon=True)

    @property
    def age_s(self) -> float:
        """Time since all entries that were on the disk were last known to be signed."""
        return time.monotonic() - self._current

    def start(self) -> None:
        """Begins to sign."""
        self._thread.start()

    def stop(self) -> None:
        """Has a last checkpoint signed and waits for it. Call it once the journal is closed."""
        with self._lock:
            self._stopping.set()
            self._close_input()
        if self._thread.ident is None:
            return
        self._thread.join(_END_S)
        if self._thread.is_alive():
            _LOG.error("the signing process takes too long to end, and is killed", seconds=_END_S)
            with self._lock:
                if self._process is not None:
                    self._process.kill()
            self._thread.join(_END_S)

    def _keep(self) -> None:
        """Runs the process, and another whenever it ends, until one ended because that was wanted."""
        pause_s = _FIRST_PAUSE_S
        while True:
            last, began = self._stopping.is_set(), time.monotonic()
            code = self._run_one()
            self.signing = False
            if code == 0 and self._stopping.is_set():
                return
            if code == REFUSED:
                if last or self._stopping.wait(_REFUSED_PAUSE_S):
                    return
                continue
            if code != WAITS:
                self.failures["died"] += 1
                _LOG.error("the process that signs the journal ended, and is started again", exit_code=code)
            if last:
                _LOG.error("the last entries of the journal are signed when the server starts again")
                return
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began >= _STEADY_S else pause_s
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _run_one(self) -> int | None:
        """Runs a process to its end, and takes what it says. Returns its exit code, None: it never ran."""
        try:
            process = started("signer")
        except OSError as error:
            _LOG.error("the process that signs the journal cannot be started", reason=str(error))
            return None
        with self._lock:
            self._process = process
            give_order(process, self._order.to_line())
            if self._stopping.is_set():
                self._close_input()
        try:
            for line in process.stdout or ():
                self._take(line)
            return process.wait()
        finally:
            with self._lock:
                self._process = None
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _close_input(self) -> None:
        """Tells the process to end. The caller holds the lock."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _take(self, line: str) -> None:
        """Takes one line that the process says."""
        try:
            said, *more = json.loads(line)
        except ValueError:
            return
        if said == Said.SIGNED:
            self.size = int(more[0])
        elif said == Said.CURRENT:
            self._current, self.signing = time.monotonic(), True
            if self._said is not None and self._said[0] == "refused":
                _LOG.warning("the journal is signed again", entries=self.size)
                self._said = None
        elif said == Said.TOLD:
            self._warn("told", str(more[0]))
        elif said == Said.REFUSED:
            self._warn("refused", str(more[0]))

    def _warn(self, reason: str, sentence: str) -> None:
        """Counts a failure, and logs what is not what was logged just before."""
        self.failures[reason] += 1
        if (reason, sentence) == self._said:
            return
        self._said = reason, sentence
        if reason == "told":
            _LOG.warning("signing of the journal", told=sentence)
            return
        _LOG.critical(
            "NOTHING OF THE JOURNAL IS SIGNED: the server serves and keeps its journal, which proves nothing "
            "from here on; leave the journal, its tree and all places of checkpoints as they are, and look "
            "with `kuntur-server journal verify` (docs/transparency.md, When nothing is signed)",
            reason=sentence,
            journal=self._order.journal,
        )


def open_signing(settings: ServerSettings) -> SigningKeeper | None:
    """Returns what signs the journal of a server, None where the settings do not ask for it."""
    order = SigningOrder.of(settings)
    return None if order is None else SigningKeeper(order)
