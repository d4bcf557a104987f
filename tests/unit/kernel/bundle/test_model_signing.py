"""`model_signing`, whose form it is, verifies what Kuntur signs, and Kuntur what it signs."""

from __future__ import annotations

from pathlib import Path

import pytest
from model_signing import hashing, signing, verifying

from kuntur.bundle.bundle import BundleRefusedError, RefusalReason, read_bundle
from kuntur.bundle.signing import read_policy
from kuntur.bundle.signing.envelope import read_envelope, write_envelope
from tests.support.bundles import publish
from tests.support.signers import Signer, write_policy


def verify(bundle: Path, signature: Path, signer: Signer) -> None:
    """Verifies a signature with model_signing, as its command line does. Raises ValueError."""
    verifying.Config().use_elliptic_key_verifier(public_key=signer.public_file).verify(bundle, signature)


def sign(bundle: Path, signer: Signer, name: str = "theirs.sig", **hashed: str) -> Path:
    """Signs a bundle with model_signing, without the signatures, and returns the file."""
    path = bundle / "signatures" / name
    path.parent.mkdir(exist_ok=True)
    config = hashing.Config().use_file_serialization(**hashed)
    config.set_ignored_paths(paths=[path.parent.relative_to(bundle)])
    signing.Config().use_elliptic_key_signer(private_key=signer.private_file).set_hashing_config(config).sign(
        bundle, path
    )
    return path


@pytest.fixture
def signers(tmp_path: Path) -> list[Signer]:
    return [Signer(tmp_path / "keys", name) for name in ("trainer", "approver")]


def test_model_signing_verifies_each_of_our_signatures(tmp_path: Path, signers: list[Signer]) -> None:
    bundle = publish(tmp_path / "registry", "m-1")
    files = {signer.name: signer.sign(bundle) for signer in signers}
    for signer in signers:
        verify(bundle, files[signer.name], signer)
    with pytest.raises(ValueError, match="Key mismatch"):
        verify(bundle, files["trainer"], signers[1])
    (bundle / "documents" / "card.md").write_bytes(b"another card\n")
    with pytest.raises(ValueError, match=r"Hash mismatch for .*documents/card\.md"):
        verify(bundle, files["trainer"], signers[0])


def test_we_verify_what_model_signing_signs(tmp_path: Path, signers: list[Signer]) -> None:
    bundle = publish(tmp_path / "registry", "m-1")
    policy = read_policy(write_policy(tmp_path / "policy.toml", signers, 2))
    theirs = sign(bundle, signers[0])
    signers[1].sign(bundle)  # ours beside theirs
    assert read_bundle(bundle, policy).signers == ("approver", "trainer")
    verify(bundle, theirs, signers[0])
    theirs.write_bytes(theirs.read_bytes().replace(b"sig", b"SIG", 1))
    with pytest.raises(BundleRefusedError, match="SIGNATURE_INVALID"):
        read_bundle(bundle, policy)


def test_both_write_an_envelope_in_the_same_bytes(tmp_path: Path, signers: list[Signer]) -> None:
    content = sign(publish(tmp_path / "registry", "m-1"), signers[0]).read_bytes()
    assert write_envelope(read_envelope(content)) == content


@pytest.mark.parametrize("algorithm", ["blake2", "blake3"])
def test_another_hash_than_that_of_the_manifest_is_refused(
    tmp_path: Path, signers: list[Signer], algorithm: str
) -> None:
    bundle = publish(tmp_path / "registry", "m-1")
    policy = read_policy(write_policy(tmp_path / "policy.toml", signers, 1))
    sign(bundle, signers[0], hashing_algorithm=algorithm)
    with pytest.raises(BundleRefusedError) as refused:
        read_bundle(bundle, policy)
    assert refused.value.reason is RefusalReason.SIGNATURE_INVALID
