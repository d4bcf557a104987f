"""Signs the checkpoints of one log: the only holder of its key, and never of two that contradict each other.

It takes leaf hashes in the order of the journal, makes the tree of them, and puts a checkpoint into its
places when all tiles below are on the disk. Each new one is proved consistent with the one before, from the
tiles as they were written. It serves nobody: run it in a process of its own (`run`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kuntur.files.alone import Alone
from kuntur.transparency.errors import (
    DamagedTreeError,
    InconsistentLogError,
    ProofError,
)
from kuntur.transparency.notes.checkpoint import Checkpoint, SignedCheckpoint
from kuntur.transparency.notes.note import Note
from kuntur.transparency.signing.places import Places
from kuntur.transparency.signing.rotation import LogKeys
from kuntur.transparency.tree.hashing import EMPTY_ROOT, GONE
from kuntur.transparency.tree.proofs import check_consistency
from kuntur.transparency.tree.restoring import Leaves, restore
from kuntur.transparency.tree.tiles import WIDTH
from kuntur.transparency.tree.tree import Tree

_LOCK = "checkpointer.lock"


@dataclass(frozen=True, slots=True)
class LogPlan:
    """What a log is made of."""

    tree: Path
    """Folder of the tiles; the checkpoint beside them makes it a log as tlog-tiles lays it out."""
    keys: Path
    """Folder of the signing keys, `*.key`: all of them sign, so that two do while keys are rotated."""
    elsewhere: tuple[Path, ...] = ()
    """Further folders for checkpoints, best on other volumes."""


class Checkpointer:
    """A log that is open to be signed, by one process at a time."""

    def __init__(self, plan: LogPlan, leaves: Leaves, tell: Callable[[str], object]) -> None:
        """Opens the log at its newest checkpoint, and writes tiles anew that are damaged.

        leaves: leaf hashes of the journal from an index on, those alone that are on the disk for good;
        tell: called with a sentence for what its operator should know. Raises InconsistentLogError when the
        journal is not what was signed, NoteError for keys and checkpoints that do not fit, OSError also when
        another process signs this log.
        """
        self._plan, self._leaves = plan, leaves
        self._tell = without_repeats(tell)
        self._places = Places((plan.tree, *plan.elsewhere), self._tell)
        self._keys = LogKeys(plan.keys, self._tell)
        self._lock = Alone(plan.tree / _LOCK, "another process signs this log")
        try:
            found = self._places.read(self._keys.verifiers)
            self.last = max(filter(None, found), key=lambda each: each.checkpoint.size, default=None)
            """The newest checkpoint, None before the first."""
            self._due = any(each != self.last for each in found)  # also with nothing new
            self._tree = self._open_tree()
            self._check_journal()
            self._check_past(filter(None, found))
        except BaseException:
            self.close()
            raise

    @property
    def unsigned(self) -> int:
        """How many entries are behind the newest checkpoint, as far as they were taken."""
        return self._tree.size - (0 if self.last is None else self.last.checkpoint.size)

    def take(self) -> int:
        """Takes the entries that are new in the journal and returns how many they were. Raises OSError."""
        hashes = self._leaves(self._tree.size)
        self._tree.append(hashes)
        return len(hashes)

    def sign(self) -> SignedCheckpoint | None:
        """Signs what was taken and puts it into the places; None where there is nothing new.

        Raises InconsistentLogError when that would contradict what was signed before, OSError when it cannot
        be written; signing again goes on.
        """
        self._due |= self._keys.look()
        if self.last is not None and not self.unsigned and not self._due:
            return None
        self._tree.save()
        checkpoint = Checkpoint(self._keys.origin, self._tree.size, self._tree.root())
        try:
            self._check_growth(checkpoint)
        except DamagedTreeError as error:
            self._tree = self._restored(error)  # back to what is signed: what is behind it is taken again
            return None
        note = Note(checkpoint.text).signed(self._keys.signing)
        self._places.put(note)
        self.last = SignedCheckpoint(checkpoint, note)
        self._due = False
        self._tree.tidy()
        return self.last

    def close(self) -> None:
        """Leaves the log to others. Twice is once."""
        self._lock.close()

    def _open_tree(self) -> Tree:
        try:
            return Tree(self._plan.tree, *self._signed())
        except DamagedTreeError as error:
            return self._restored(error)

    def _restored(self, damage: DamagedTreeError) -> Tree:
        """Returns the tree of the newest checkpoint, written anew. Raises InconsistentLogError, OSError."""
        self._tell(f"the tree's tiles are written anew: {damage}")
        try:
            return restore(self._plan.tree, *self._signed(), self._leaves)
        except DamagedTreeError as error:
            raise InconsistentLogError(
                f"the journal is not what was signed, and nothing is signed any more: {error}"
            ) from error

    def _signed(self) -> tuple[int, bytes]:
        """Returns size and root of the newest checkpoint."""
        if self.last is None:
            return 0, EMPTY_ROOT
        return self.last.checkpoint.size, self.last.checkpoint.root

    def _check_journal(self) -> None:
        """Raises InconsistentLogError when the journal does not reach to the newest checkpoint."""
        size = self._tree.size
        if not size:
            return
        there = self._leaves(size - 1)[:1]
        if not len(there):
            raise InconsistentLogError(
                f"the journal has lost entries: a checkpoint was signed over {size:,}, and the last of them "
                "is not there; nothing is signed any more"
            )
        signed = self._tree.leaves((size - 1) // WIDTH)[(size - 1) % WIDTH].tobytes()
        if there.tobytes() == GONE != signed:
            self._tell(
                f"entry {size:,} was signed, and the journal says itself that it is gone, by a repair or by "
                "retention: what follows is signed behind it"
            )
        elif there.tobytes() != signed:
            raise InconsistentLogError(
                f"entry {size - 1:,} of the journal, counted from 0, is another one than the checkpoint of "
                f"{size:,} was signed over; nothing is signed any more"
            )

    def _check_past(self, found: Iterable[SignedCheckpoint]) -> None:
        """Raises InconsistentLogError when the tree never had the root of a checkpoint, OSError."""
        for checkpoint in (each.checkpoint for each in found):
            try:
                root = self._tree.root(checkpoint.size)
            except DamagedTreeError as error:
                self._tree = self._restored(error)
                root = self._tree.root(checkpoint.size)
            if root != checkpoint.root:
                raise InconsistentLogError(
                    f"a checkpoint of {checkpoint.size:,} entries was signed that the journal does not go on "
                    "from: keep it, it proves that the log was forked; nothing is signed any more"
                )

    def _check_growth(self, checkpoint: Checkpoint) -> None:
        """Proves a checkpoint consistent with the newest one, from the tiles as they were written.

        Raises InconsistentLogError when it is not, DamagedTreeError when they are not as written, OSError.
        """
        if self.last is None:
            return
        size, root = self._signed()
        try:
            path = self._tree.consistency(size)
            check_consistency(size, root, checkpoint.size, checkpoint.root, path)
        except (ProofError, ValueError) as error:
            raise InconsistentLogError(
                f"the tree of {checkpoint.size:,} entries is not signed: it does not go on from that of "
                f"{size:,} that was signed before: {error}"
            ) from error


def without_repeats(tell: Callable[[str], object]) -> Callable[[str], None]:
    """Returns it for sentences that are said at each try: each is told once, until another one is."""
    told = ""

    def changed(sentence: str) -> None:
        nonlocal told
        if sentence != told:
            told = sentence
            tell(sentence)

    return changed
