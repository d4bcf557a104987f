"""Signers of bundles: keys, the policies that name them, and bundles that they signed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kuntur.bundle.bundle import read_bundle
from kuntur.bundle.signing import SigningKey, signature, signature_name


class Signer:
    """Somebody with a key, whose files lie in a folder."""

    def __init__(self, folder: Path, name: str, curve: ec.EllipticCurve | None = None) -> None:
        self.name = name
        private = ec.generate_private_key(curve or ec.SECP256R1())
        self.key = SigningKey(private)
        folder.mkdir(parents=True, exist_ok=True)
        self.private_file, self.public_file = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        self.private_file.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.public_file.write_bytes(self.key.public.pem)

    def sign(self, bundle: Path) -> Path:
        """Signs a bundle as it is, and returns the file of the signature."""
        return self.sign_files(bundle, dict(read_bundle(bundle).digests))

    def sign_files(self, bundle: Path, digests: dict[str, str]) -> Path:
        """Signs whatever hashes are given."""
        path = bundle / signature_name(self.key)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(signature(bundle.name, digests, self.key))
        return path


def write_policy(
    path: Path, signers: list[Signer], threshold: int, until: dict[str, date] | None = None
) -> Path:
    """Writes a policy; until: the last day of a signer's key."""
    lines = [f"threshold = {threshold}"]
    for signer in signers:
        lines += ["", "[[keys]]", f'signer = "{signer.name}"', f'file = "{signer.public_file}"']
        if until and signer.name in until:
            lines.append(f"until = {until[signer.name]}")
    path.write_text("\n".join(lines) + "\n")
    return path
