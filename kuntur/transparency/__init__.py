"""The journal as a transparency log: a Merkle tree over its records, signed checkpoints, proofs from them.

`tree` knows hashes and files of tiles, `notes` what is signed and how it is written, `signing` the process
that signs, `standalone` the program with which somebody else checks a proof. The forms are RFC 6962's and
C2SP's; docs/transparency.md says which. What a record is, and where it is kept, is left to the journal.
"""
