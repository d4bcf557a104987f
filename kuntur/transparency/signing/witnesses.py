"""Asking witnesses to cosign a log's checkpoints, beside the work: one that is away holds nothing up."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from kuntur.transparency.errors import NoteError, TransparencyError
from kuntur.transparency.notes.checkpoint import SignedCheckpoint, parse_number
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.note import Note, Signature
from kuntur.transparency.notes.request import AddCheckpoint
from kuntur.transparency.signing.places import WITNESSED, Places
from kuntur.transparency.tree.stored import StoredTree

_MAX_ANSWER_BYTES = 64 << 10
_TIMEOUT_S = 10.0


class WitnessError(TransparencyError):
    """A witness that did not cosign: which one, and what it said."""


@dataclass(slots=True)
class WitnessClient:
    """A witness: its submission prefix, and the keys that it may cosign with."""

    url: str
    keys: Sequence[VerifierKey]
    timeout_s: float = _TIMEOUT_S
    _known: int = field(default=0, init=False)  # size that it cosigned last, as far as is known here

    def cosign(self, signed: SignedCheckpoint, tree: StoredTree) -> list[Signature]:
        """Returns the cosignatures of a checkpoint, verified.

        tree: that of the checkpoint, or a later one. Raises WitnessError, OSError; DamagedTreeError for tiles
        that give no proof.
        """
        size = signed.checkpoint.size
        for _ in range(2):  # the first answer may only tell which size the witness knows
            if self._known > size:
                raise WitnessError(
                    f"{self.url} has cosigned a log of {self._known:,} entries, and here it has {size:,}: it "
                    "was cut or put back, or another one signs beside it"
                )
            path = tree.consistency(self._known, size)
            request = AddCheckpoint(self._known, tuple(path), signed.note.encode())
            status, body = self._post(request.encode())
            if status == HTTPStatus.OK:
                self._known = size
                return self._verified(signed.note.text, body)
            if status != HTTPStatus.CONFLICT:
                said = body[:200].decode(errors="replace").strip()
                raise WitnessError(f"{self.url} does not cosign {size:,} entries: {status} {said}")
            self._known = self._told(body)
        raise WitnessError(f"{self.url} tells one size after the other")

    def _verified(self, text: str, lines: bytes) -> list[Signature]:
        try:
            return list(Note.parse(f"{text}\n".encode() + lines).verified(self.keys).values())
        except NoteError as error:
            raise WitnessError(f"{self.url} answered with no cosignature of its own: {error}") from error

    def _told(self, body: bytes) -> int:
        try:
            return parse_number(body.decode(errors="replace").removesuffix("\n"))
        except NoteError as error:
            raise WitnessError(f"{self.url} tells no size: {error}") from error

    def _post(self, body: bytes) -> tuple[int, bytes]:
        url = urlsplit(self.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=self.timeout_s)
        try:
            connection.request("POST", f"{url.path.rstrip('/')}/add-checkpoint", body)
            answer = connection.getresponse()
            return answer.status, answer.read(_MAX_ANSWER_BYTES)
        except http.client.HTTPException as error:
            raise WitnessError(f"{self.url} answered with no HTTP: {error!r}") from error
        finally:
            connection.close()


class WitnessRounds:
    """Has each witness cosign the newest checkpoint from time to time, on a thread of its own.

    Cosigned ones are put into the places under a name of their own, since new ones are signed meanwhile.
    """

    def __init__(
        self,
        tree: Path,
        places: Places,
        witnesses: Sequence[WitnessClient],
        interval_s: float,
        tell: Callable[[str], object],
    ) -> None:
        """Takes the folder of the tiles. tell: called with a sentence for a witness that does not cosign."""
        self._tree, self._places, self._witnesses = tree, places, witnesses
        self._interval_s, self._tell = interval_s, tell
        self._newest: SignedCheckpoint | None = None
        self._done: SignedCheckpoint | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go, name="witnesses", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def published(self, signed: SignedCheckpoint) -> None:
        """Takes a checkpoint that is in its places, to be cosigned in the next round."""
        self._newest = signed

    def stop(self) -> None:
        """Ends with the round that is under way; a witness that does not answer is not waited for."""
        self._stop.set()
        self._thread.join(self._interval_s)

    def round(self) -> None:
        """Asks all witnesses for the newest checkpoint, unless it is cosigned."""
        signed = self._newest
        if signed is None or signed is self._done:
            return
        found: list[Signature] = []
        try:
            tree = StoredTree(self._tree, signed.checkpoint.size, signed.checkpoint.root)
            for witness in self._witnesses:
                try:
                    found += witness.cosign(signed, tree)
                except (WitnessError, OSError) as error:
                    self._tell(f"a witness did not cosign: {witness.url}: {error}")
            if found:
                self._places.put(signed.note.with_signatures(found), WITNESSED)
                self._done = signed
        except (TransparencyError, OSError) as error:
            self._tell(f"no witness could be asked: {error}")

    def _go(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.round()
