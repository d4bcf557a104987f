"""Journal files that are encrypted where they lie: keys in files, and what they do to the records."""

from kuntur.journal.sealing.cipher import Pack, RecordCipher, cipher_of, new_header, packing
from kuntur.journal.sealing.keys import JournalKey, KeyRing, write_new_key

__all__ = [
    "JournalKey",
    "KeyRing",
    "Pack",
    "RecordCipher",
    "cipher_of",
    "new_header",
    "packing",
    "write_new_key",
]
