from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kuntur.bundle.bundle import MANIFEST, BundleRefusedError, RefusalReason, read_bundle
from kuntur.bundle.signing import KeyFileError, PolicyError, read_policy, read_private_key
from kuntur.bundle.signing.envelope import (
    Envelope,
    EnvelopeError,
    read_envelope,
    signed_bytes,
    write_envelope,
)
from kuntur.bundle.signing.statement import StatementError, read_statement, write_statement
from tests.support.bundles import publish
from tests.support.signers import Signer, write_policy

KEY_ID = "ab" * 32
DIGESTS = {"model.onnx": "01" * 32, "documents/a.md": "02" * 32, "documents.txt": "03" * 32}


@pytest.fixture
def trainer(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys", "trainer")


@pytest.fixture
def approver(tmp_path: Path) -> Signer:
    return Signer(tmp_path / "keys", "approver")


def refusal(bundle: Path, policy: Path) -> tuple[RefusalReason, str]:
    with pytest.raises(BundleRefusedError) as refused:
        read_bundle(bundle, read_policy(policy))
    return refused.value.reason, refused.value.message


# Envelopes and statements.


def test_what_is_signed_is_the_payload_behind_its_type_and_length() -> None:
    expected = b"DSSEv1 28 application/vnd.in-toto+json 5 hello"  # by the DSSE protocol
    assert signed_bytes(b"hello") == expected


def test_an_envelope_is_read_as_it_was_written() -> None:
    envelope = Envelope(b'{"a":1}', b"0123", KEY_ID)
    assert read_envelope(write_envelope(envelope)) == envelope


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(write_envelope(Envelope(b"payload of some bytes", b"signature", KEY_ID)))
    change(document)
    return json.dumps(document, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"mediaType":' * 50_000,
        b"\xff\xfe{}",
        write_envelope(Envelope(b"p", b"s", KEY_ID)) + b"\n",
        write_envelope(Envelope(b"p", b"s", KEY_ID)).replace(b":", b": ", 1),
        changed(lambda d: d.update(mediaType="application/json")),
        changed(lambda d: d.update(more=1)),
        changed(lambda d: d["verificationMaterial"].update(publicKey={"hint": "zz"})),
        changed(lambda d: d["verificationMaterial"].update(publicKey={"hint": 7})),
        changed(lambda d: d["verificationMaterial"].update(publicKey={})),
        changed(lambda d: d["verificationMaterial"].pop("publicKey")),
        changed(lambda d: d["verificationMaterial"].update(tlogEntries=[{}])),
        changed(lambda d: d["dsseEnvelope"].update(payloadType="text/plain")),
        changed(lambda d: d["dsseEnvelope"].update(payload="no base64!")),
        changed(lambda d: d["dsseEnvelope"].update(payload=7)),
        changed(lambda d: d["dsseEnvelope"].update(signatures=[])),
        changed(lambda d: d["dsseEnvelope"]["signatures"].append(d["dsseEnvelope"]["signatures"][0])),
        changed(lambda d: d["dsseEnvelope"]["signatures"][0].update(keyid="other")),
    ],
)
def test_an_envelope_of_any_other_form_is_none(content: bytes) -> None:
    with pytest.raises(EnvelopeError):
        read_envelope(content)


def test_bytes_have_one_way_to_be_written_in_an_envelope() -> None:
    # The last letter of base64 has bits that nobody decodes: another one there gives the same signature.
    written = write_envelope(Envelope(b"payload", b"0", KEY_ID))
    assert base64.b64decode(b"MB==") == base64.b64decode(b"MA==") == b"0"
    with pytest.raises(EnvelopeError, match="not written as a signer writes it"):
        read_envelope(written.replace(b"MA==", b"MB=="))


def test_a_statement_is_read_as_it_was_written() -> None:
    assert read_statement(write_statement("m-1", DIGESTS)) == DIGESTS


def test_a_statement_names_files_in_the_order_of_their_folders_and_adds_up_to_a_digest() -> None:
    statement = json.loads(write_statement("m-1", DIGESTS))
    assert [r["name"] for r in statement["predicate"]["resources"]] == [
        "documents/a.md", "documents.txt", "model.onnx",
    ]  # fmt: skip
    root = hashlib.sha256(bytes.fromhex("02" * 32 + "03" * 32 + "01" * 32)).hexdigest()
    assert statement["subject"] == [{"name": "m-1", "digest": {"sha256": root}}]


def test_a_statement_may_say_more_than_is_looked_at() -> None:
    statement = json.loads(write_statement("m-1", DIGESTS))
    statement["predicate"]["note"] = {"who": "a verifier of version 1.0 passes over this"}
    assert read_statement(json.dumps(statement).encode()) == DIGESTS


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda s: s.update(predicateType="https://model_signing/Digests/v0.1"),
        lambda s: s.update(subject=[]),
        lambda s: s.update(subject=s["subject"] * 2),
        lambda s: s["subject"][0]["digest"].update(sha256="00" * 32),
        lambda s: s["predicate"].pop("resources"),
        lambda s: s["predicate"]["resources"].pop(),
        lambda s: s["predicate"]["resources"][0].update(algorithm="blake2b"),
        lambda s: s["predicate"]["resources"][0].update(digest="00"),
        lambda s: s["predicate"]["resources"][1].update(name="documents/a.md"),
        lambda s: s["predicate"]["serialization"].update(method="shards"),
        lambda s: s["predicate"]["serialization"].update(hash_type="blake3"),
    ],
)
def test_a_statement_of_another_form_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    statement = json.loads(write_statement("m-1", DIGESTS))
    change(statement)
    with pytest.raises(StatementError):
        read_statement(json.dumps(statement).encode())


# Keys and policies.


def test_a_key_is_read_with_its_password_and_not_without(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = serialization.BestAvailableEncryption(b"secret")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    (tmp_path / "key.pem").write_bytes(pem)
    public = read_private_key(tmp_path / "key.pem", "secret").public
    message = b"message"
    assert public.verifies(read_private_key(tmp_path / "key.pem", "secret").sign(message), message)
    assert not public.verifies(b"no signature", message)
    for password in (None, "wrong"):
        with pytest.raises(KeyFileError, match=r"key\.pem") as refused:
            read_private_key(tmp_path / "key.pem", password)
        assert "secret" not in str(refused.value)


def test_only_keys_on_p_256_sign(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="P-256"):
        read_private_key(Signer(tmp_path, "large", ec.SECP384R1()).private_file)
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "rsa.pem").write_bytes(pem)
    with pytest.raises(KeyFileError, match="P-256"):
        read_private_key(tmp_path / "rsa.pem")
    (tmp_path / "none.pem").write_bytes(b"-----BEGIN NOTHING-----")
    with pytest.raises(KeyFileError, match="no private key"):
        read_private_key(tmp_path / "none.pem")
    with pytest.raises(KeyFileError, match="No such file"):
        read_private_key(tmp_path / "absent.pem")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "threshold: Field required"),
        ("threshold = 1\nkeys = []", "keys"),
        ("threshold = 0", "threshold"),
        ('threshold = 1\n[[keys]]\nsigner = "a"\nfile = "absent.pem"', "absent.pem cannot be read"),
        ('threshold = 1\n[[keys]]\nsigner = "a"\nfile = "private.pem"', "no public key in PEM"),
        ('threshold = 2\n[[keys]]\nsigner = "a"\nfile = "k.pem"', "threshold is 2, but only 1 may sign"),
        (
            'threshold = 1\n[[keys]]\nsigner = "a"\nfile = "k.pem"\n[[keys]]\nsigner = "b"\nfile = "k.pem"',
            "names one key twice",
        ),
        ('threshold = 1\n[[keys]]\nsigner = "a"\nfile = "k.pem"\nuntil = "soon"', "until"),
        ('threshold = 1\n[[keys]]\nsigner = "a"\nfile = "k.pem"\nrole = "x"', "role"),
        ("threshold =", "not valid TOML"),
    ],
)
def test_a_policy_that_cannot_be_used_is_told(tmp_path: Path, text: str, told: str) -> None:
    signer = Signer(tmp_path, "k")
    signer.public_file.rename(tmp_path / "k.pem")
    (tmp_path / "private.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(PolicyError, match=r"policy\.toml") as refused:
        read_policy(tmp_path / "policy.toml")
    assert told in str(refused.value)
    with pytest.raises(PolicyError, match="No such file"):
        read_policy(tmp_path / "absent.toml")


# Bundles.


def test_a_bundle_that_enough_have_signed_is_read_and_names_them(
    tmp_path: Path, trainer: Signer, approver: Signer
) -> None:
    bundle = publish(tmp_path, "m-1")
    both = write_policy(tmp_path / "both.toml", [trainer, approver], 2)
    one = write_policy(tmp_path / "one.toml", [trainer, approver], 1)
    assert refusal(bundle, one)[0] is RefusalReason.SIGNATURE_MISSING
    approver.sign(bundle)
    assert read_bundle(bundle, read_policy(one)).signers == ("approver",)
    reason, message = refusal(bundle, both)
    assert reason is RefusalReason.SIGNATURE_BELOW_THRESHOLD
    assert message == "only approver signed; 2 of approver, trainer must have"
    trainer.sign(bundle)
    assert read_bundle(bundle, read_policy(both)).signers == ("approver", "trainer")
    assert read_bundle(bundle).signers == ()


def test_two_keys_of_one_signer_count_once(tmp_path: Path, trainer: Signer, approver: Signer) -> None:
    bundle, next_key = publish(tmp_path, "m-1"), Signer(tmp_path / "keys", "next")
    next_key.name = "trainer"
    policy = write_policy(tmp_path / "policy.toml", [trainer, next_key, approver], 2)
    trainer.sign(bundle)
    next_key.sign(bundle)
    assert refusal(bundle, policy)[0] is RefusalReason.SIGNATURE_BELOW_THRESHOLD
    approver.sign(bundle)
    assert read_bundle(bundle, read_policy(policy)).signers == ("approver", "trainer")


def test_a_key_counts_until_the_end_of_its_last_day(tmp_path: Path, trainer: Signer) -> None:
    bundle = publish(tmp_path, "m-1")
    trainer.sign(bundle)
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1, {"trainer": date(2026, 3, 31)})
    signatures = {f"signatures/{p.name}": p.read_bytes() for p in (bundle / "signatures").iterdir()}
    found = read_policy(policy).verified(signatures, datetime(2026, 3, 31, 23, 59, tzinfo=UTC))
    assert found.signers == ("trainer",)
    with pytest.raises(BundleRefusedError, match="of trainer ended on 2026-03-31") as refused:
        read_policy(policy).verified(signatures, datetime(2026, 4, 1, tzinfo=UTC))
    assert refused.value.reason is RefusalReason.SIGNATURE_KEY_EXPIRED


def test_a_signature_of_somebody_else_does_not_count_and_does_no_harm(
    tmp_path: Path, trainer: Signer, approver: Signer
) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    approver.sign(bundle)
    reason, message = refusal(bundle, policy)
    assert reason is RefusalReason.SIGNATURE_KEY_UNKNOWN
    assert approver.key.public.id[:16] in message
    trainer.sign(bundle)
    assert read_bundle(bundle, read_policy(policy)).signers == ("trainer",)


def test_a_signature_under_another_s_name_is_invalid(
    tmp_path: Path, trainer: Signer, approver: Signer
) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    path = approver.sign(bundle)
    path.write_bytes(
        path.read_bytes().replace(approver.key.public.id.encode(), trainer.key.public.id.encode())
    )
    reason, message = refusal(bundle, policy)
    assert reason is RefusalReason.SIGNATURE_INVALID
    assert "not the signature of trainer's key" in message


def test_a_signature_of_another_bundle_is_invalid(tmp_path: Path, trainer: Signer) -> None:
    bundle, other = publish(tmp_path, "m-1"), publish(tmp_path, "m-2", bias=3.0)
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    taken = trainer.sign(other)
    (bundle / "signatures").mkdir()
    (bundle / "signatures" / taken.name).write_bytes(taken.read_bytes())
    reason, message = refusal(bundle, policy)
    assert reason is RefusalReason.SIGNATURE_INVALID
    assert message.endswith(f"is over another {MANIFEST}")


@pytest.mark.parametrize("name", [MANIFEST, "manifest.sha256", "model.onnx", "documents/card.md"])
def test_a_signature_has_to_be_over_every_file(tmp_path: Path, trainer: Signer, name: str) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    digests = dict(read_bundle(bundle).digests)
    trainer.sign_files(bundle, {n: d for n, d in digests.items() if n != name})
    assert refusal(bundle, policy)[0] is RefusalReason.SIGNATURE_INVALID
    trainer.sign_files(bundle, digests | {name: "00" * 32})
    assert refusal(bundle, policy)[0] is RefusalReason.SIGNATURE_INVALID
    trainer.sign_files(bundle, digests | {"another": "00" * 32})
    reason, message = refusal(bundle, policy)
    assert reason is RefusalReason.SIGNATURE_INVALID
    assert "'another'" in message


def test_a_signature_over_the_signature_before_it_counts(
    tmp_path: Path, trainer: Signer, approver: Signer
) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer, approver], 2)
    first = trainer.sign(bundle)
    name, digest = f"signatures/{first.name}", hashlib.sha256(first.read_bytes()).hexdigest()
    approver.sign_files(bundle, dict(read_bundle(bundle).digests) | {name: digest})
    assert len(read_bundle(bundle, read_policy(policy)).signers) == 2
    trainer.sign(bundle)  # anew: no two signatures of ECDSA are the same
    assert refusal(bundle, policy)[0] is RefusalReason.SIGNATURE_INVALID


def test_more_signatures_than_anybody_needs_are_refused(tmp_path: Path, trainer: Signer) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    content = trainer.sign(bundle).read_bytes()
    for number in range(40):
        (bundle / "signatures" / f"{number}.sig").write_bytes(content)
    assert refusal(bundle, policy)[0] is RefusalReason.SIGNATURE_INVALID


def test_a_file_among_the_signatures_that_is_none_is_surplus(tmp_path: Path, trainer: Signer) -> None:
    bundle = publish(tmp_path, "m-1")
    policy = write_policy(tmp_path / "policy.toml", [trainer], 1)
    trainer.sign(bundle)
    (bundle / "signatures" / "readme.txt").write_bytes(b"")
    assert refusal(bundle, policy)[0] is RefusalReason.SURPLUS_FILE
