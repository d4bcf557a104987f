"""Who signs in the demonstration: the trainer, whose key and policy are made for it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

_POLICY = """threshold = 1

[[keys]]
signer = "trainer"
file = "trainer.pub.pem"
"""


def made(folder: Path) -> dict[str, str]:
    """Makes key and policy, and returns the variables with which trainer and server take them."""
    folder.mkdir(mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    private, policy = folder / "trainer.pem", folder / "signers.toml"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "trainer.pub.pem").write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    policy.write_text(_POLICY)
    return {
        "KUNTUR_TRAINER_SIGNING__KEY": str(private),
        "KUNTUR_SERVER_SIGNATURES__POLICY": str(policy),
        "KUNTUR_SERVER_SIGNATURES__NEWEST_LIVE": str(folder / "newest.json"),
    }
