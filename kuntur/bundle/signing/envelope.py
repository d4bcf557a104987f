"""The file of a signature: a Sigstore bundle (v0.3, JSON) around a DSSE envelope with one signature.

It is read in one form alone, the one in which `model_signing` and Kuntur write it: without white space,
unknown names or other ways to write the same bytes. So what is not signed in it cannot be changed unnoticed.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

MAX_BYTES = 1 << 20
PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_KEY_ID = re.compile("[0-9a-f]{64}")


class EnvelopeError(ValueError):
    """Bytes that are no signature of this form; the message says what is wrong, behind the file's name."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a file of a signature holds.

    payload: what is signed; signature: DER; key_id: as `keys.PublicKey.id`.
    """

    payload: bytes
    signature: bytes
    key_id: str

    @property
    def signed_bytes(self) -> bytes:
        """The bytes that are signed: the payload behind its type and length (DSSE's PAE)."""
        head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(self.payload)} "
        return head.encode() + self.payload


def signed_bytes(payload: bytes) -> bytes:
    """Returns the bytes to sign for a payload."""
    return Envelope(payload, b"", "").signed_bytes


def write_envelope(envelope: Envelope) -> bytes:
    """Returns the bytes of the file."""
    document = {
        "mediaType": _MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": envelope.key_id}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(envelope.signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(document, separators=(",", ":")).encode()


def read_envelope(content: bytes) -> Envelope:
    """Reads the bytes of the file; nothing of it is verified. Raises EnvelopeError."""
    try:
        document = json.loads(content)
        material, envelope = document["verificationMaterial"], document["dsseEnvelope"]
        (signature,) = envelope["signatures"]
        found = Envelope(
            base64.b64decode(envelope["payload"], validate=True),
            base64.b64decode(signature["sig"], validate=True),
            material["publicKey"]["hint"],
        )
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise EnvelopeError("is no Sigstore bundle with one signature of a key") from error
    if not isinstance(found.key_id, str) or _KEY_ID.fullmatch(found.key_id) is None:
        raise EnvelopeError("does not name its key")
    if write_envelope(found) != content:
        raise EnvelopeError("is not written as a signer writes it")
    return found
