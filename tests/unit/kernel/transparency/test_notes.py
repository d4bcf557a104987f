"""Keys, notes, checkpoints and proof files against the examples of C2SP and Go, and against what is none."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from kuntur.transparency.errors import NoteError, ProofError
from kuntur.transparency.notes.checkpoint import Checkpoint, open_checkpoint
from kuntur.transparency.notes.key_files import read_key, read_keys, read_verifier_keys, write_key
from kuntur.transparency.notes.keys import KeyKind, SigningKey, VerifierKey, cosigned_at
from kuntur.transparency.notes.note import Note
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.notes.request import AddCheckpoint
from kuntur.transparency.tree.hashing import leaf_hash
from tests.support.transparency import ORIGIN, WITNESS, grown, records, signed, signing_key

# Of the specification of signed notes, and of Go's golang.org/x/mod/sumdb/note.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
C2SP_CHECKPOINT = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""


def mangled(text: str) -> list[str]:
    parts = [text[i:j] for i in range(len(text)) for j in range(i, len(text) + 1) if j - i < len(text)]
    bumped = [text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text))]
    return parts + bumped


def test_the_example_of_a_signed_note_is_verified() -> None:
    key = VerifierKey.parse(C2SP_KEY)
    assert str(key) == C2SP_KEY
    note = Note.parse(C2SP_NOTE)
    assert list(note.verified([key])) == [key]
    assert note.encode() == C2SP_NOTE


def test_a_key_that_was_mangled_is_none() -> None:
    for text in mangled(GO_VERIFIER):
        with pytest.raises(NoteError):
            VerifierKey.parse(text)


def test_a_signing_key_that_was_mangled_is_none_and_is_not_shown() -> None:
    for text in mangled(GO_SIGNER):
        with pytest.raises(NoteError) as refused:
            SigningKey.parse(text)
        assert "AYEKFALV" not in str(refused.value)


def test_the_halves_of_a_key_of_go_belong_together() -> None:
    key = SigningKey.parse(GO_SIGNER)
    assert str(key.verifier) == GO_VERIFIER
    assert key.private_text() == GO_SIGNER
    assert "AYEKFALV" not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # of another length
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # of another kind
        "", "name", "name+00000000", "+00000000+AQ==", "a b+00000000+AQ==",
    ],
)  # fmt: skip
def test_a_key_of_another_form_is_none(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\there", "line\n", "no\u00a0break"])
def test_a_name_that_a_note_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(NoteError):
        SigningKey.generate(name, KeyKind.LOG)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"text", b"text\n", b"text\n\n", b"text\n\n\n", b"text\n\nno signature\n",
        C2SP_NOTE[:-1],  # without its last end of line
        C2SP_NOTE + b"\n",
        C2SP_NOTE + b"more\n",
        C2SP_NOTE.replace(b"\n\n", b"\n"),
        C2SP_NOTE.replace(b"message", b"mess\x00age"),
        C2SP_NOTE.replace(b"message", b"mess\x07age"),
        C2SP_NOTE.replace(b"message", b"mess\xffage"),
        C2SP_NOTE.replace(b"\n", b"\r\n"),
        C2SP_NOTE.replace("— ".encode(), b"- "),
        C2SP_NOTE.replace(b"Uw2QOkn8", b"Uw2QOkn"),
        C2SP_NOTE.replace(b"Uw2QOkn8", b"Uw2Q Okn8"),
        C2SP_NOTE + C2SP_NOTE.split(b"\n\n")[1] * 100,
        b"x" * (1 << 21) + C2SP_NOTE,
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(content: bytes) -> None:
    with pytest.raises(NoteError):
        Note.parse(content)


def test_a_note_of_sixteen_signatures_is_read() -> None:
    keys = [signing_key(seed) for seed in range(1, 17)]
    note = Note.parse(Note("text\n").signed(keys).encode())
    assert list(note.verified(key.verifier for key in keys)) == [key.verifier for key in keys]


def test_signatures_of_strangers_are_passed_over_and_wrong_ones_are_not() -> None:
    one, other, stranger = (signing_key(seed) for seed in (1, 2, 3))
    note = Note("text\n").signed([stranger, one])
    assert list(note.verified([one.verifier, other.verifier])) == [one.verifier]
    with pytest.raises(NoteError, match="none of the known keys"):
        note.verified([other.verifier])
    forged = Note("text, but other\n", note.signatures)
    with pytest.raises(NoteError, match="does not hold"):
        forged.verified([one.verifier])
    with pytest.raises(NoteError, match="there are none"):
        note.verified([])


def test_a_text_with_empty_lines_ends_at_the_last_of_them() -> None:
    note = Note("one\n\ntwo\n").signed([signing_key()])
    assert Note.parse(note.encode()) == note


def test_a_key_that_signs_checkpoints_is_another_one_when_it_cosigns() -> None:
    log, witness = signing_key(), signing_key(kind=KeyKind.WITNESS, name=ORIGIN)
    assert log.verifier.public == witness.verifier.public
    assert log.verifier.key_id != witness.verifier.key_id


def test_a_cosignature_is_over_its_time() -> None:
    witness = signing_key(kind=KeyKind.WITNESS)
    text = Checkpoint.parse(C2SP_CHECKPOINT).text
    signature = witness.sign(text, 1679315147)
    assert cosigned_at(signature) == 1679315147
    assert witness.verifier.holds(text, signature)
    assert not witness.verifier.holds(text, (1679315148).to_bytes(8, "big") + signature[8:])
    assert not signing_key().verifier.holds(text, signature[8:])


def test_the_example_of_a_checkpoint_is_read_and_written() -> None:
    checkpoint = Checkpoint.parse(C2SP_CHECKPOINT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a")
    assert checkpoint.text == C2SP_CHECKPOINT


def test_lines_behind_the_root_are_kept_and_signed() -> None:
    text = C2SP_CHECKPOINT + "segment 7\n"
    assert Checkpoint.parse(text).extensions == ("segment 7",)
    assert Checkpoint.parse(text).text == text


@pytest.mark.parametrize(
    "lines",
    [
        ["o", "1"], ["o", "1", ""], ["", "1", "R"], ["o", "", "R"], ["o", "01", "R"], ["o", "-1", "R"],
        ["o", "+1", "R"], ["o", "1_0", "R"], ["o", "١", "R"], ["o", " 1", "R"], ["o", str(1 << 63), "R"],
        ["o", "1", "R", ""], ["o", "1", "AAAA"], ["o", "1", "R="], ["o", "1" * 30, "R"],
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(lines: list[str]) -> None:
    root = base64.b64encode(bytes(32)).decode()
    with pytest.raises(NoteError):
        Checkpoint.parse("".join(line.replace("R", root) + "\n" for line in lines))


def test_a_checkpoint_is_of_the_log_that_its_key_names(tmp_path: Path) -> None:
    key = signing_key()
    other = signing_key(name="other.example/log")
    tree = grown(tmp_path, records(5))
    content = signed(tree, key).encode()
    assert open_checkpoint(content, [key.verifier]).checkpoint.size == 5
    with pytest.raises(NoteError, match="no key is known"):
        open_checkpoint(content, [other.verifier])
    with pytest.raises(NoteError, match="no key is known"):
        open_checkpoint(signed(tree, key, origin="other.example/log").encode(), [key.verifier])
    with pytest.raises(NoteError, match="no key is known"):
        open_checkpoint(content, [signing_key(kind=KeyKind.WITNESS, name=ORIGIN).verifier])


def proof(tmp_path: Path, *, extra: bytes | None = None) -> TlogProof:
    tree = grown(tmp_path, records(300))
    note = signed(tree).signed([signing_key(9, KeyKind.WITNESS)], 1_700_000_000)
    return TlogProof(123, tuple(tree.inclusion(123)), note.encode(), extra)


@pytest.mark.parametrize("extra", [None, b"", b"of the application"])
def test_a_proof_file_proves_its_record_and_no_other(tmp_path: Path, extra: bytes | None) -> None:
    content = proof(tmp_path, extra=extra).encode()
    read = TlogProof.parse(content)
    assert (read.extra, read.encode()) == (extra, content)
    key, witness = signing_key().verifier, signing_key(9, KeyKind.WITNESS).verifier
    found = read.check(leaf_hash(b"record 123"), [key], [witness], 1)
    assert found.checkpoint.size == 300
    assert found.witnessed([witness]) == {witness: 1_700_000_000}
    with pytest.raises(ProofError):
        read.check(leaf_hash(b"record 124"), [key])
    with pytest.raises(ProofError, match="0 of the witnesses"):
        read.check(leaf_hash(b"record 123"), [key], [signing_key(8, KeyKind.WITNESS).verifier], 1)


def test_a_proof_is_small(tmp_path: Path) -> None:
    whole = proof(tmp_path)
    hashes = len(whole.path) * 45
    assert len(whole.encode()) - hashes + 30 * 45 < 2048  # as it would be among 10^9 entries


def test_a_cosignature_that_names_a_witness_and_is_not_its_is_refused(tmp_path: Path) -> None:
    witness = signing_key(9, KeyKind.WITNESS)
    good = proof(tmp_path)
    note = Note.parse(good.checkpoint)
    forged = note.signatures[-1]
    bad = Note(note.text, (note.signatures[0], type(forged)(WITNESS, forged.key_id, bytes(72))))
    with pytest.raises(NoteError, match="does not hold"):
        TlogProof(123, good.path, bad.encode()).check(
            leaf_hash(b"record 123"), [signing_key().verifier], [witness.verifier], 1
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v2"), (b"index 123", b"index 0123"),
        (b"index 123\n", b""), (b"index 123", b"extra AA=="), (b"index 123", b"index -1"), (b"\n\n", b"\n"),
        (b"index 123\n", b"index 123\n" + b"A" * 43 + b"=\n" * 64), (b"index", b"\xff"),
    ],
)  # fmt: skip
def test_what_is_no_proof_file_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    content = proof(tmp_path).encode()
    assert old in content
    with pytest.raises(NoteError):
        TlogProof.parse(content.replace(old, new))


def test_a_request_to_a_witness_is_read_as_it_is_written() -> None:
    request = AddCheckpoint(20852014, (bytes(32), bytes(range(32))), C2SP_NOTE)
    assert request.encode().startswith(b"old 20852014\nAAAA")
    assert AddCheckpoint.parse(request.encode()) == request
    assert AddCheckpoint.parse(b"old 0\n\n" + C2SP_NOTE) == AddCheckpoint(0, (), C2SP_NOTE)


@pytest.mark.parametrize(
    "body", [b"", b"old 1", b"old 01\n\nx", b"new 1\n\nx", b"old 1\nAAAA\n\nx", b"old x\n\nx"]
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(NoteError):
        AddCheckpoint.parse(body)
    with pytest.raises(NoteError, match="more than 63"):
        AddCheckpoint.parse(b"old 1\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\nx")


def test_keys_are_read_from_files_of_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "one.key"
    write_key(path, signing_key())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_key(path).verifier == signing_key().verifier
    with pytest.raises(FileExistsError):
        write_key(path, signing_key(2))
    path.chmod(0o640)
    with pytest.raises(NoteError, match="chmod 600"):
        read_key(path)


def test_keys_of_a_folder_sign_for_one_log(tmp_path: Path) -> None:
    with pytest.raises(NoteError, match="no key is here"):
        read_keys(tmp_path, KeyKind.LOG)
    write_key(tmp_path / "b.key", signing_key(2))
    write_key(tmp_path / "a.key", signing_key(1))
    assert [key.verifier for key in read_keys(tmp_path, KeyKind.LOG)] == [
        signing_key(seed).verifier for seed in (1, 2)
    ]
    with pytest.raises(NoteError, match="not a witness's"):
        read_keys(tmp_path, KeyKind.WITNESS)
    write_key(tmp_path / "c.key", signing_key(3, name="other.example/log"))
    with pytest.raises(NoteError, match="several names"):
        read_keys(tmp_path, KeyKind.LOG)


@pytest.mark.parametrize("content", ["", "PRIVATE+KEY+", GO_VERIFIER, "x" * 5000])
def test_a_file_that_is_no_key_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    path = tmp_path / "one.key"
    path.touch(mode=0o600)
    path.write_text(content, "utf-8")
    with pytest.raises(NoteError) as refused:
        read_key(path)
    assert str(path) in str(refused.value)
    assert "ARpc2Q" not in str(refused.value)


def test_verifier_keys_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "logs.txt"
    path.write_text(f"# whom we watch\n\n{C2SP_KEY}\n  {GO_VERIFIER}  \n", "utf-8")
    assert [str(key) for key in read_verifier_keys(path)] == [C2SP_KEY, GO_VERIFIER]
    path.write_text(f"{C2SP_KEY}\nno key\n", "utf-8")
    with pytest.raises(NoteError, match="line 2"):
        read_verifier_keys(path)
    path.write_text("# none\n", "utf-8")
    with pytest.raises(NoteError, match="no verifier key"):
        read_verifier_keys(path)
