"""The verification of a journal: every record, the tree over them, its tiles, and all that was signed.

It needs a verifier key and a checkpoint. With the tiles beside, the first entry that is not the one that was
signed is named; without them only that there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kuntur.journal.proved.findings import BadEntryError, Finding, Report, Vouched, first_without_entry
from kuntur.journal.proved.resuming import Reached
from kuntur.journal.proved.tiling import SignedTiles
from kuntur.journal.proved.vouching import checkpoint_files, open_all
from kuntur.journal.proved.walk import Piece, Place, Walk
from kuntur.journal.sealing import KeyRing
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.tree.frontier import Frontier
from kuntur.transparency.tree.tiles import WIDTH

_SAVE_S = 5.0  # between two times that it is taken down how far it came


class NotVerifiableError(Exception):
    """What was asked for cannot be done: what is missing, as a sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be verified, and by what."""

    directory: Path
    """The journal."""
    keys: Sequence[VerifierKey]
    """Verifier keys of its log: one of them has to have signed each checkpoint."""
    log: Path | None = None
    """Folder of the tiles; None where there is none."""
    checkpoints: Sequence[Path] = ()
    """Files of further checkpoints, or the folders that they are in."""
    witnesses: Sequence[VerifierKey] = ()
    """Keys of witnesses: each has to have cosigned a checkpoint."""
    journal_keys: KeyRing | None = None
    """Keys of an encrypted journal."""
    first: int = 1
    """Sequence of the entry to begin with."""
    state: Path | None = None
    """File in which it is kept how far it came."""
    read: Callable[[int, int], object] = field(default=lambda _done, _total: None)
    """Called now and then with the bytes that are read and those of all files."""


def verify(request: Request) -> Report:
    """Returns what is wrong with a journal, and what was found out.

    Raises NotVerifiableError, OSError, UnknownRevisionError, JournalKeyError.
    """
    files = checkpoint_files(request.log, request.checkpoints)
    if not files:
        raise NotVerifiableError(
            "there is no checkpoint: name one with --checkpoint, or the folder of the tree with --log"
        )
    if len({key.name for key in request.keys}) > 1:
        raise NotVerifiableError("the keys are of several logs: a journal is that of one")
    vouched, findings = open_all(files, request.keys, request.witnesses)
    if not vouched:
        return Report(request.first, findings=findings)
    reached = None
    if request.state is not None:
        reached = Reached.read(request.state, vouched[0].origin, request.first)
    report = _Verification(request, vouched, reached).run()
    if reached is not None and not report.holds:  # of the journal, or of what the file said of it
        report = _Verification(request, vouched, None).run()
        report.notes.append(f"{request.state}: what it says was not used, and all was read anew")
    report.findings += findings
    return report


class _Verification:
    """One way through the journal."""

    def __init__(self, request: Request, vouched: list[Vouched], reached: Reached | None) -> None:
        """Takes what vouches for it, and how far an earlier one came. Raises NotVerifiableError."""
        self._request, self._vouched = request, vouched
        self._newest = max(vouched, key=lambda each: each.size)
        self._tiles = SignedTiles(request.log, vouched)
        self._reached = reached if reached is not None and reached.size <= self._newest.size else None
        self._report = Report(request.first, signed=self._newest.size, checkpoints=vouched)
        self._frontier = self._begin()
        self._report.last = self._frontier.size
        self._due = sorted({each.size for each in vouched if each.size >= self._frontier.size})
        self._wrong: list[Vouched] = []  # those with another root than the entries give
        self._recent: list[Piece] = []  # as far back as the tile that is not full yet
        self._saved = time.monotonic()

    def run(self) -> Report:
        """Goes through the journal. Raises OSError, UnknownRevisionError, JournalKeyError."""
        self._check_earlier()
        report = self._report
        try:
            self._go()
        except BadEntryError as error:
            report.findings.append(error.finding)
        else:
            report.findings += [*self._cut_off(), *self._contradicted()]
            if report.last > self._newest.size:
                report.notes.append(f"{report.last - self._newest.size:,} entries are not signed yet")
        report.findings += self._tiles.findings(right=not report.findings)
        return report

    def _begin(self) -> Frontier:
        """Returns the tree in front of the first entry. Raises NotVerifiableError."""
        completed, before = self._tiles.completed, self._request.first - 1
        if self._reached is not None:
            size = self._reached.size
            self._report.notes.append(f"entries up to {size:,} were verified before, and not read again")
            return Frontier.at(size, self._reached.levels, completed)
        levels = self._tiles.edge(before) if before else []
        if levels is None:
            raise NotVerifiableError(
                f"to begin with entry {before + 1:,} takes the tiles of a checkpoint that reaches there: "
                "name their folder with --log"
            )
        return Frontier.at(before, levels, completed)

    def _go(self) -> None:
        """Goes through all records. Raises BadEntryError."""
        place = None if self._reached is None else self._reached.place
        walk = Walk(
            self._request.directory,
            self._frontier.size + 1,
            place,
            self._request.read,
            self._request.journal_keys,
            self._newest.size,
        )
        self._check_roots()
        for piece in walk:
            self._take(piece)
            self._check_form(piece)
        self._report.last = walk.next - 1  # also where the journal ends in front of the first entry asked for
        self._report.bytes = walk.read
        self._check_rest()
        if walk.torn is not None and self._report.last < self._newest.size:
            self._report.findings.append(walk.torn)
        elif walk.torn is not None:
            self._report.notes.append(f"{walk.torn.told()}: a torn tail, or an entry that is being written")

    def _take(self, piece: Piece) -> None:
        """Takes entries into the tree, as far as they are signed. Raises BadEntryError."""
        frontier = self._frontier
        full = frontier.size // WIDTH * WIDTH
        self._recent = [*(each for each in self._recent if each.next > full), piece]
        count = max(0, min(piece.next - 1, self._newest.size) - frontier.size)
        if not count:
            return
        hashes, done = piece.hashes(count), 0
        while done < count:
            until = min(count, self._due[0] - piece.first + 1)
            frontier.append(hashes[done:until])
            done = until
            self._blame(self._tiles.wrong_entry())
            self._check_roots()
        self._save(piece.place(frontier.size + 1))

    def _check_form(self, piece: Piece) -> None:
        if piece.run is None:
            self._report.notes.append(
                f"{piece.path}: a repair went on without entries {piece.first:,} to {piece.next - 1:,}"
            )
            return
        wrong = first_without_entry(piece.run.payloads)
        if wrong is not None:
            raise BadEntryError(piece.bad(piece.first + wrong, "the record holds no entry"))

    def _check_roots(self) -> None:
        """Holds the tree against the checkpoints of its size. Raises BadEntryError."""
        size = self._frontier.size
        if not self._due or self._due[0] > size:
            return
        self._due.pop(0)
        root = self._frontier.root()
        self._wrong += [each for each in self._vouched if each.size == size and each.root != root]
        if self._tiles.size == size:
            self._blame(self._tiles.wrong_at_edge(self._frontier))

    def _check_earlier(self) -> None:
        """Holds checkpoints of sizes in front of the first entry against the tiles."""
        for each in self._vouched:
            if each.size < self._frontier.size:
                root = self._tiles.root(each.size)
                if root is None:
                    self._report.notes.append(f"{each.path}: of entries that were not read, and not compared")
                elif root != each.root:
                    self._wrong.append(each)

    def _check_rest(self) -> None:
        """Holds the last entries of a journal that ends early against the tiles. Raises BadEntryError."""
        if self._frontier.size < self._tiles.size:
            self._blame(self._tiles.wrong_at_edge(self._frontier))

    def _blame(self, index: int | None) -> None:
        """Raises BadEntryError for the entry at an index, None for none."""
        if index is None:
            return
        sequence, what = index + 1, "this is not the entry that was signed"
        for piece in self._recent:
            if piece.first <= sequence < piece.next:
                if piece.run is None:
                    what = "this entry was signed, and is lost: a repair of the journal went on without it"
                raise BadEntryError(piece.bad(sequence, what))
        raise BadEntryError(Finding(what, sequence=sequence))

    def _cut_off(self) -> Iterator[Finding]:
        last = self._report.last
        for each in self._vouched:
            if each.size > last:
                what = (
                    f"{each.size:,} entries were signed here, and the journal ends with entry {last:,}: the "
                    "others were cut off, or an old copy was put back"
                )
                yield Finding(what, each.path)

    def _contradicted(self) -> Iterator[Finding]:
        forked = not any(each.size == self._newest.size for each in self._wrong)
        for each in self._wrong:
            if forked:
                yield Finding(
                    "this was signed over other entries than the newest checkpoint: the log was forked; keep "
                    "both, they prove it",
                    each.path,
                )
            else:
                what = "the entries of the journal are not those that this was signed over"
                yield Finding(what + self._tiles.nearest(), each.path)

    def _save(self, place: Place) -> None:
        """Takes down how far it came, now and then and where nothing more is signed. Raises OSError."""
        state, now, size = self._request.state, time.monotonic(), self._frontier.size
        if state is None or self._wrong or self._tiles.findings(right=False):
            return
        if size == self._newest.size or now - self._saved >= _SAVE_S:
            Reached.of(self._newest.origin, self._request.first, self._frontier, place).write(state)
            self._saved = now
