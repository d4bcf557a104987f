"""Signatures of bundles in the form of OpenSSF Model Signing: made by the trainer, checked by the server.

A signature is a file of its own in the bundle's `signatures/`, so that trainer and approver sign one after
the other and `model_signing` verifies each of them. It is a Sigstore bundle (`envelope`) with a statement
that names every other file by its hash (`statement`), signed with an ECDSA key on P-256 (`keys`). Whose
signatures count, and how many there must be, a policy says (`policy`).
"""

from kuntur.bundle.signing.keys import KeyFileError, SigningKey, read_private_key
from kuntur.bundle.signing.policy import Policy, PolicyError, Signed, read_policy
from kuntur.bundle.signing.sign import signature, signature_name

__all__ = [
    "KeyFileError",
    "Policy",
    "PolicyError",
    "Signed",
    "SigningKey",
    "read_policy",
    "read_private_key",
    "signature",
    "signature_name",
]
