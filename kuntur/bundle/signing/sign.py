"""Making a signature: of the files of a bundle that somebody has looked at, by their hashes."""

from __future__ import annotations

from collections.abc import Mapping

from kuntur.bundle.signing.envelope import Envelope, signed_bytes, write_envelope
from kuntur.bundle.signing.keys import SigningKey
from kuntur.bundle.signing.statement import SIGNATURES, write_statement

_ID_LETTERS = 16


def signature_name(key: SigningKey) -> str:
    """Returns where in a bundle the signature of a key lies."""
    return f"{SIGNATURES}/{key.public.id[:_ID_LETTERS]}.sig"


def signature(model_name: str, digests: Mapping[str, str], key: SigningKey) -> bytes:
    """Returns the file of a signature.

    Args:
        model_name: Name of the bundle.
        digests: SHA-256 in hexadecimal by path, of all files but signatures.
        key: Whose signature it is.
    """
    payload = write_statement(model_name, digests)
    return write_envelope(Envelope(payload, key.sign(signed_bytes(payload)), key.public.id))
