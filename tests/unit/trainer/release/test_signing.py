from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kuntur.bundle.bundle import Registry, read_bundle
from kuntur.bundle.signing import KeyFileError, read_policy
from tests.support.bundles import publish as publish_small
from tests.support.signers import Signer, write_policy
from tests.unit.trainer.command import invoke, refused
from tests.unit.trainer.samples import manifest_of, served_model
from trainer.release.manifest import BundleName
from trainer.release.publish import publish
from trainer.release.signing import signing_keys
from trainer.settings.recording import SigningSettings


@pytest.fixture
def trainer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys", "trainer")


@pytest.fixture
def approver(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys", "approver")


def test_a_bundle_is_published_with_the_trainer_s_signature(tmp_path: Path, trainer: Signer) -> None:
    registry, model = Registry(tmp_path / "registry"), served_model()
    keys = signing_keys(SigningSettings(key=trainer.private_file))
    manifest = manifest_of(BundleName("m-1", ""), model)
    publish(registry, manifest, model, {"a.json": b"{}\n"}, keys)
    policy = read_policy(write_policy(tmp_path / "policy.toml", [trainer], 1))
    assert read_bundle(registry.bundle_path("m-1"), policy).signers == ("trainer",)
    assert signing_keys(SigningSettings()) == ()


def test_an_approver_signs_beside_the_trainer_and_whoever_asks_is_told(
    tmp_path: Path, trainer: Signer, approver: Signer
) -> None:
    bundle = publish_small(tmp_path / "registry", "m-1", verdict="it is better")
    policy = write_policy(tmp_path / "policy.toml", [trainer, approver], 2)
    trainer.sign(bundle)
    early = invoke("verify", bundle, "--policy", policy)
    assert early.exit_code == 1
    assert "refused: SIGNATURE_BELOW_THRESHOLD: only trainer signed; 2 of approver, trainer" in early.stderr
    signed = invoke("sign", bundle, "--key", approver.private_file)
    assert signed.exit_code == 0, signed.output
    assert f"Signed m-1 with the key {approver.key.public.id[:16]}" in signed.stderr
    assert "verdict: it is better" in signed.stderr
    told = invoke("verify", bundle, "--policy", policy)
    assert told.exit_code == 0
    assert told.stderr == "m-1: signed by approver, trainer\n"
    again = invoke("sign", bundle, "--key", approver.private_file)
    assert again.exit_code == 0
    assert len(list((bundle / "signatures").iterdir())) == 2
    assert sorted(p.name for p in bundle.parent.iterdir()) == ["LIVE", "m-1"]


def test_a_damaged_bundle_is_not_signed(tmp_path: Path, approver: Signer) -> None:
    bundle = publish_small(tmp_path, "m-1")
    (bundle / "documents" / "card.md").write_bytes(b"another")
    assert "SIZE_MISMATCH: documents/card.md" in refused(
        invoke("sign", bundle, "--key", approver.private_file)
    )
    assert not (bundle / "signatures").exists()


def test_a_key_that_cannot_be_used_is_told_without_its_password(tmp_path: Path) -> None:
    bundle, path = publish_small(tmp_path / "registry", "m-1"), tmp_path / "key.pem"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"correct horse"),
        )
    )
    assert "is encrypted and needs its password" in refused(invoke("sign", bundle, "--key", path))
    said = refused(invoke("sign", bundle, "--key", path, "--password", "battery staple"))
    assert "no private key in PEM of that password" in said
    assert "battery" not in said
    assert invoke("sign", bundle, "--key", path, "--password", "correct horse").exit_code == 0
    with pytest.raises(KeyFileError):
        signing_keys(SigningSettings(key=path))
    assert "no private key" in refused(invoke("sign", bundle, "--key", bundle / "model.onnx"))


def test_a_policy_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    bundle = publish_small(tmp_path, "m-1")
    assert "policy.toml cannot be read" in refused(
        invoke("verify", bundle, "--policy", tmp_path / "policy.toml")
    )
