"""The checkpoints that vouch for a journal: those beside its tree, and those of other places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kuntur.files.paths import UnusableFileError
from kuntur.journal.proved.findings import Finding, Vouched, told_time
from kuntur.transparency.errors import NoteError
from kuntur.transparency.notes.checkpoint import open_checkpoint
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.note import MAX_NOTE_BYTES
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED


def checkpoint_files(log: Path | None, given: Iterable[Path]) -> list[Path]:
    """Returns the files to read: those in the folder of the tree that are there, and all that were given.

    A folder that was given stands for its newest checkpoint, and for the cosigned one if there is one.
    """
    files: list[Path] = []
    for folder in (log, *given):
        if folder is None:
            continue
        if folder.is_dir():
            found = [folder / name for name in (CHECKPOINT, WITNESSED) if (folder / name).exists()]
            files += found if folder == log or found else [folder / CHECKPOINT]
        elif folder != log:
            files.append(folder)
    return list(dict.fromkeys(files))


def open_all(
    files: Iterable[Path], keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]
) -> tuple[list[Vouched], list[Finding]]:
    """Returns the checkpoints whose signatures hold, and what is wrong with the others."""
    vouched: list[Vouched] = []
    findings: list[Finding] = []
    for file in files:
        try:
            vouched.append(_opened(file, keys, witnesses))
        except FileNotFoundError:
            findings.append(Finding("there is no checkpoint", file))
        except (NoteError, UnusableFileError) as error:
            findings.append(Finding(f"the checkpoint does not hold: {error}", file))
        except OSError as error:
            findings.append(Finding(f"the checkpoint cannot be read: {error.strerror}", file))
    for witness in witnesses:
        if not any(_named(witness) in each.witnesses for each in vouched):
            findings.append(Finding(f"no checkpoint is cosigned by the witness {_named(witness)}"))
    return vouched, findings


def _opened(file: Path, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]) -> Vouched:
    with file.open("rb") as stream:
        signed = open_checkpoint(stream.read(MAX_NOTE_BYTES + 1), keys)
    checkpoint = signed.checkpoint
    cosigned = {_named(key): told_time(seconds) for key, seconds in signed.witnessed(witnesses).items()}
    signers = tuple(_named(key) for key in signed.note.verified(keys))
    return Vouched(file, checkpoint.size, checkpoint.root, checkpoint.origin, signers, cosigned)


def _named(key: VerifierKey) -> str:
    return f"{key.name} ({key.key_id.hex()})"
