"""What can be wrong with what is to be proved, each as a sentence."""

from __future__ import annotations


class TransparencyError(Exception):
    """Something of the log is not as it was signed, or cannot be read."""


class ProofError(TransparencyError):
    """A proof that does not prove what it is said to."""


class NoteError(TransparencyError):
    """A note, key, checkpoint or proof file that cannot be read, or a signature that does not hold."""


class DamagedTreeError(TransparencyError):
    """Tiles that are missing or are not those that the checkpoint was signed over."""


class InconsistentLogError(TransparencyError):
    """A log that is not a continuation of what was signed before: nothing of it may be signed."""
