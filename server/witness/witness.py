"""The judgement of a witness: which checkpoints follow what it cosigned before. It knows no HTTP.

Of each log it keeps one file, `ORIGIN-HASH/checkpoint`: the checkpoint that it cosigned last. It is on the
disk before the cosignature is given away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import structlog

from kuntur.files.alone import Alone
from kuntur.files.private import make_private
from kuntur.files.whole import replace_whole
from kuntur.transparency.errors import NoteError, ProofError
from kuntur.transparency.notes.checkpoint import Checkpoint
from kuntur.transparency.notes.keys import KeyKind, SigningKey, VerifierKey
from kuntur.transparency.notes.note import Note
from kuntur.transparency.notes.request import AddCheckpoint
from kuntur.transparency.tree.hashing import EMPTY_ROOT
from kuntur.transparency.tree.proofs import check_consistency
from server.witness.refusals import (
    InconsistentCheckpointError,
    MalformedRequestError,
    OtherSizeError,
    UnknownLogError,
    UnsignedCheckpointError,
)

_LOG = structlog.get_logger(__name__)
_FILE, _LOCK = "checkpoint", "witness.lock"


class Witness:
    """A witness of some logs, with its own keys."""

    def __init__(
        self,
        keys: Sequence[SigningKey],
        logs: Sequence[VerifierKey],
        state: Path,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Takes its keys, those of the logs, whose names are their origins, and a folder for what it saw.

        Raises NoteError for a key of the wrong kind, and for a file of the folder that this witness did not
        write; OSError.
        """
        for key in logs:
            if key.kind is not KeyKind.LOG:
                raise NoteError(f"{key} is a witness's key, not a log's")
        self._keys, self._logs, self._state, self._now = tuple(keys), tuple(logs), state, now
        self._lock = threading.Lock()
        self._alone = Alone(state / _LOCK, "another witness keeps what it saw here")
        try:
            for origin in sorted({key.name for key in logs}):
                last = self._last(origin)
                _LOG.info("witness of a log", origin=origin, size=None if last is None else last.size)
        except BaseException:
            self.close()
            raise

    def add_checkpoint(self, body: bytes) -> bytes:
        """Cosigns a checkpoint that goes on from the last one, and returns the lines of the cosignatures.

        body: as C2SP's add-checkpoint has it. Raises RefusalError, OSError.
        """
        try:
            request = AddCheckpoint.parse(body)
            note = Note.parse(request.checkpoint)
            checkpoint = Checkpoint.parse(note.text)
        except NoteError as error:
            raise MalformedRequestError(str(error)) from error
        keys = [key for key in self._logs if key.name == checkpoint.origin]
        if not keys:
            raise UnknownLogError("no such log is known here")
        try:
            valid = note.verified(keys)
        except NoteError as error:
            raise UnsignedCheckpointError(str(error)) from error
        if request.old > checkpoint.size:
            raise MalformedRequestError("the old size is larger than that of the checkpoint")
        with self._lock:
            self._check(request, checkpoint)
            seconds = int(self._now())
            cosigned = Note(note.text).signed(self._keys, seconds).signatures
            path = self.path(checkpoint.origin)
            make_private(path.parent)
            replace_whole(path, Note(note.text, (*valid.values(), *cosigned)).encode())
        _LOG.info("cosigned", origin=checkpoint.origin, size=checkpoint.size, old=request.old)
        return "".join(map(str, cosigned)).encode()

    def checkpoint(self, origin_hash: str) -> bytes | None:
        """Returns the checkpoint that was cosigned last, by its origin's SHA-256 in hex; None for none."""
        for origin in {key.name for key in self._logs}:
            path = self.path(origin)
            if path.parent.name == origin_hash and path.exists():
                return path.read_bytes()
        return None

    def path(self, origin: str) -> Path:
        """Returns where the last checkpoint of a log is kept."""
        return self._state / sha256(origin.encode()).hexdigest() / _FILE

    def close(self) -> None:
        """Leaves its folder to others. Twice is once."""
        self._alone.close()

    def _check(self, request: AddCheckpoint, checkpoint: Checkpoint) -> None:
        """Raises RefusalError unless a checkpoint goes on from the last one."""
        last = self._last(checkpoint.origin)
        size, root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
        if request.old != size:
            raise OtherSizeError(size)
        try:
            check_consistency(size, root, checkpoint.size, checkpoint.root, request.path)
        except ProofError as error:
            # A valid signature under a log that does not go on is proof against the log: it is kept.
            _LOG.warning(
                "a log signed what does not go on from what it signed before",
                origin=checkpoint.origin,
                size=checkpoint.size,
                last_size=size,
                checkpoint=request.checkpoint.decode(),
                why=str(error),
            )
            raise InconsistentCheckpointError(str(error)) from error

    def _last(self, origin: str) -> Checkpoint | None:
        path = self.path(origin)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            note = Note.parse(content)
            note.verified(key.verifier for key in self._keys)
            last = Checkpoint.parse(note.text)
        except NoteError as error:
            raise NoteError(f"{path} is not what this witness wrote: {error}") from error
        if last.origin != origin:
            raise NoteError(f"{path} is the checkpoint of another log, {last.origin}")
        return last
