"""Which bits of a signed journal may flip unnoticed: those of what a verification does not lean on.

These are partial tiles of earlier sizes, which nothing reads any more, and signatures of keys that the
verifier does not know.
"""

from __future__ import annotations

from pathlib import Path

from kuntur.transparency.notes.key_files import write_key
from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.notes.note import Note
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED
from tests.support.signed_journals import TIME_S, SignedJournal
from tests.support.transparency import signing_key

WITNESS = signing_key(9, KeyKind.WITNESS)
_SIZES = (100, 160, 40)
SIZE = sum(_SIZES)


def signed_thrice(root: Path) -> SignedJournal:
    """Makes a journal that was signed three times, the last time by two keys: one is not given out."""
    journal = SignedJournal(root)
    for number, size in enumerate(_SIZES):
        if number == 2:
            write_key(journal.root / "keys" / "next.key", signing_key(2))
        journal.grow(size)
        journal.sign()
    note = Note.parse((journal.log / CHECKPOINT).read_bytes()).signed([WITNESS], TIME_S)
    (journal.log / WITNESSED).write_bytes(note.encode())
    return journal


def files_of(journal: SignedJournal) -> list[Path]:
    """Returns the files of a journal, its tree and its checkpoints."""
    found = [path for path in sorted(journal.root.rglob("*")) if path.is_file() and path.stat().st_size]
    return [path for path in found if "keys" not in path.parts]


def is_leant_on(path: Path, content: bytes, byte: int) -> bool:
    """Tells whether a byte is of what a verification leans on."""
    if ".p" in path.parent.suffix:
        return (path.parent.name, path.name) in {("001.p", str(SIZE % 256)), ("000.p", "1")}
    if path.name in {CHECKPOINT, WITNESSED}:
        unknown = f"— {signing_key(2).verifier.name} ".encode()
        line = content[content.rindex(unknown) :].split(b"\n")[0] + b"\n"
        start = content.index(line)
        return not start <= byte < start + len(line)
    return True
