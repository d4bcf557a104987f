from __future__ import annotations

import base64
import errno
import hashlib
import hmac
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

from kuntur.journal.file import (
    CorruptJournalError,
    JournalFileWriter,
    JournalKeyError,
    TornTailError,
    journal_files,
    read_entries,
)
from kuntur.journal.layout import SEALED_HEADER_BYTES
from kuntur.journal.records import JournalFile, Record
from kuntur.journal.repair import examine, repair
from kuntur.journal.sealing import KeyRing, write_new_key
from kuntur.journal.v1 import journal_pb2
from server.cli.app import app
from server.journal import JournalWriter
from server.journal.encryption import keys_of
from server.settings.config import load_settings
from tests.support.journals import append, entry, flip, key_ring, write

KEYS = key_ring("1.key")
BOTH = key_ring("1.key", "2.key")
OTHER = key_ring("3.key")
HEAD_BYTES = 32


def read(directory: Path, keys: KeyRing | None = KEYS) -> list[tuple[int, bytes]]:
    return [(e.sequence, e.backfill.request) for e in read_entries(directory, keys=keys)]


def only(directory: Path) -> Path:
    (path,) = journal_files(directory)
    return path


def test_what_was_written_comes_back_and_stands_nowhere_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, b"account of ana" * 20, b"of luz", keys=KEYS)
    assert read(tmp_path) == [(1, b"account of ana" * 20), (2, b"of luz")]
    raw = only(tmp_path).read_bytes()
    assert b"ana" not in raw
    assert b"luz" not in raw
    assert KEYS.newest.identity in raw
    assert KEYS.newest.secret not in raw


def test_a_file_can_be_read_by_what_its_form_says_alone(tmp_path: Path) -> None:
    write(tmp_path, b"one", b"two", keys=KEYS)
    raw = only(tmp_path).read_bytes()
    assert raw[:12] == b"KNTR-JNL" + (3).to_bytes(4, "little")
    assert raw[28:32] == zlib.crc32(raw[:28]).to_bytes(4, "little")
    assert raw[40:44] == zlib.crc32(raw[:40]).to_bytes(4, "little")
    marker = raw[20:28]
    extracted = hmac.digest(marker, KEYS.newest.secret, hashlib.sha256)
    key = hmac.digest(extracted, b"kuntur journal: records of a file\x01", hashlib.sha256)
    at, found = 44, []
    while at < len(raw):
        head = raw[at : at + HEAD_BYTES]
        assert head[:8] == marker
        assert head[28:] == zlib.crc32(head[:28]).to_bytes(4, "little")
        end = at + HEAD_BYTES + int.from_bytes(head[8:12], "little")
        sealed = raw[at + HEAD_BYTES : end]
        assert head[24:28] == zlib.crc32(sealed).to_bytes(4, "little")
        plain = AESGCM(key).decrypt(head[12:24], sealed, head[:24])
        found.append(journal_pb2.Entry.FromString(plain).backfill.request)
        at = end
    assert found == [b"one", b"two"]


def test_a_new_key_is_for_new_files_and_old_ones_stay_readable(tmp_path: Path) -> None:
    write(tmp_path, b"plain")
    write(tmp_path, b"first", keys=KEYS)
    before = journal_files(tmp_path)[1].read_bytes()
    write(tmp_path, b"second", keys=BOTH)
    assert read(tmp_path, BOTH) == [(1, b"plain"), (2, b"first"), (3, b"second")]
    assert journal_files(tmp_path)[1].read_bytes() == before
    headers = [path.read_bytes()[32:40] for path in journal_files(tmp_path)[1:]]
    assert headers == [KEYS.newest.identity, BOTH.newest.identity]


def test_a_missing_key_is_named_with_the_folder(tmp_path: Path) -> None:
    write(tmp_path, b"one", keys=KEYS)
    before = only(tmp_path).read_bytes()
    for run in (read, repair, examine, lambda path, keys: JournalFileWriter(path, keys=keys)):
        with pytest.raises(JournalKeyError, match=f"key {KEYS.newest.identity.hex()}.* not in keys: bring"):
            run(tmp_path, OTHER)
        with pytest.raises(JournalKeyError, match=r"name the folder .*journal\.encryption\.keys"):
            run(tmp_path, None)
    assert only(tmp_path).read_bytes() == before


def with_checksums(raw: bytes, at: int) -> bytes:
    """Returns the bytes of a file whose record at an offset was changed, with the checksums it would have."""
    end = at + HEAD_BYTES + int.from_bytes(raw[at + 8 : at + 12], "little")
    head = raw[at : at + 24] + zlib.crc32(raw[at + HEAD_BYTES : end]).to_bytes(4, "little")
    return raw[:at] + head + zlib.crc32(head).to_bytes(4, "little") + raw[at + HEAD_BYTES :]


@pytest.mark.parametrize("place", [12, 16, 23, HEAD_BYTES, HEAD_BYTES + 5, -1])
def test_a_record_that_was_changed_together_with_its_checksums_is_found(tmp_path: Path, place: int) -> None:
    write(tmp_path, b"one", keys=KEYS)
    raw = bytearray(only(tmp_path).read_bytes())
    raw[SEALED_HEADER_BYTES + place if place >= 0 else place] ^= 1
    only(tmp_path).write_bytes(with_checksums(bytes(raw), SEALED_HEADER_BYTES))
    with pytest.raises(TornTailError, match="a record is not the one that was encrypted"):
        read(tmp_path)


def test_a_record_of_another_file_is_none_of_this_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, name.encode(), keys=KEYS)
    raw, other = (only(tmp_path / name).read_bytes() for name in ("a", "b"))
    at = SEALED_HEADER_BYTES
    planted = raw[: at + 8] + other[at + 8 :]  # under this file's marker
    only(tmp_path / "a").write_bytes(with_checksums(planted, at))
    with pytest.raises(TornTailError, match="a record is not the one that was encrypted"):
        read(tmp_path / "a")


def fails_once(after: int, real: Callable[..., Any]) -> Callable[..., Any]:
    calls = 0

    def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == after + 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    return call


def test_no_nonce_is_used_twice_also_for_what_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[bytes, bytes]] = []

    class Recorded:
        def __init__(self, key: bytes) -> None:
            self._key, self._real = key, AESGCM(key)

        def encrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
            used.append((self._key, nonce))
            return self._real.encrypt(nonce, data, associated)

        def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
            return self._real.decrypt(nonce, data, associated)

    monkeypatch.setattr("kuntur.journal.sealing.cipher.AESGCM", Recorded)
    writer = JournalFileWriter(tmp_path, keys=KEYS, max_file_bytes=400)
    append(writer, [entry(b"a")])
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fails_once(0, os.pwrite))
        with pytest.raises(OSError, match="No space"):
            append(writer, [entry(b"lost"), entry(b"lost")])
    append(writer, [entry(b"b" * 50), entry(b"c" * 100)])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails_once(0, os.fsync))
        with pytest.raises(OSError, match="No space"):
            writer.sync()
    writer.resume()
    append(writer, [entry(b"%d" % number * 40) for number in range(20)])
    writer.close()
    write(tmp_path, b"last", keys=KEYS)
    sealed = len(used)
    assert sealed > 24
    flip(journal_files(tmp_path)[0], 8 * 60)
    repair(tmp_path, KEYS)
    assert len(used) > sealed
    assert len(set(used)) == len(used)
    assert len({nonce for _, nonce in used}) == len(used)


def test_a_damaged_header_is_found_again_with_the_key_and_without_it_nothing_is_done(tmp_path: Path) -> None:
    write(tmp_path, b"one", bytes(300), b"three", keys=BOTH)
    flip(only(tmp_path), 8 * 34)  # in the identity of the key
    flip(only(tmp_path), 8 * 50)  # in the marker of the first record
    damaged = only(tmp_path).read_bytes()
    for keys in (None, OTHER):
        for run in (examine, repair):
            with pytest.raises(JournalKeyError, match="no valid header, and its records are encrypted"):
                run(tmp_path, keys)
    assert only(tmp_path).read_bytes() == damaged
    with pytest.raises(CorruptJournalError, match="no valid header"):
        JournalFileWriter(tmp_path, keys=BOTH)
    repair(tmp_path, BOTH)
    assert read(tmp_path, BOTH) == [(2, bytes(300)), (3, b"three")]


@pytest.mark.parametrize("keys", [None, KEYS])
def test_a_header_that_damage_makes_one_of_revision_1_is_damaged(
    tmp_path: Path, keys: KeyRing | None
) -> None:
    write(tmp_path, b"one", b"two", keys=keys)
    raw = bytearray(only(tmp_path).read_bytes())
    raw[8] = 1
    only(tmp_path).write_bytes(raw)
    with pytest.raises(CorruptJournalError, match="no valid header"):
        read(tmp_path)
    repair(tmp_path, keys)
    assert read(tmp_path) == [(1, b"one"), (2, b"two")]


def test_what_a_repair_writes_and_sets_aside_is_encrypted_too(tmp_path: Path) -> None:
    write(tmp_path, b"one secret", b"another secret", b"third secret", keys=KEYS)
    with JournalFile(only(tmp_path), KEYS) as file:
        second = [item for item in file.items() if isinstance(item, Record)][1]
    flip(only(tmp_path), 8 * (second.offset + 40))
    repair(tmp_path, BOTH)
    assert read(tmp_path, BOTH) == [(1, b"one secret"), (3, b"third secret")]
    assert all(b"secret" not in path.read_bytes() for path in tmp_path.iterdir())
    assert len(list(tmp_path.glob("*.damaged-at-*"))) == 1
    last = journal_files(tmp_path)[-1].read_bytes()
    assert last[32:40] == BOTH.newest.identity


def test_keys_are_hexadecimal_digits_or_base64(tmp_path: Path) -> None:
    secret = os.urandom(32)
    for name, text in (("a.key", secret.hex()), ("b.key", base64.b64encode(secret).decode() + "\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    ring = KeyRing.read(tmp_path, "a.key")
    assert [key.secret for key in ring.all()] == [secret]
    assert secret.hex() not in repr(ring.newest)


def test_the_last_key_by_name_is_for_new_files_unless_another_is_named(tmp_path: Path) -> None:
    keys = [write_new_key(tmp_path / name) for name in ("2026-01.key", "2025-12.key")]
    assert KeyRing.read(tmp_path).newest == keys[0]
    assert KeyRing.read(tmp_path, "2025-12.key").newest == keys[1]
    assert KeyRing.read(tmp_path, "2025-12.key").find(keys[0].identity) == keys[0]
    with pytest.raises(JournalKeyError, match=r"no key '2024\.key' here \(journal.encryption.writes_with\)"):
        KeyRing.read(tmp_path, "2024.key")


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        ("0" * 64, 0o640, r"has mode 0640, but a key is for its owner alone: chmod 600"),
        ("0" * 62, 0o600, "is no key of a journal, 32 bytes as hexadecimal digits or base64"),
        ("", 0o600, "is no key of a journal"),
        ("x" * 2_000, 0o600, "has 2,000 bytes, more than the 1,024"),
    ],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str, mode: int, message: str) -> None:
    write_new_key(tmp_path / "good.key")
    (tmp_path / "bad.key").write_text(text)
    (tmp_path / "bad.key").chmod(mode)
    with pytest.raises(JournalKeyError, match=message) as told:
        KeyRing.read(tmp_path)
    assert str(tmp_path / "bad.key") in str(told.value)


def test_a_folder_without_keys_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(JournalKeyError, match=r"no key .* kuntur-server journal newkey"):
        KeyRing.read(tmp_path)


def test_the_command_makes_a_key_that_opens_what_it_closed(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "1.key"
    made = CliRunner().invoke(app, ["journal", "newkey", str(file)])
    assert made.exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    ring = KeyRing.read(file.parent)
    assert made.stdout.strip() == ring.newest.identity.hex()
    write(tmp_path / "journal", b"one", keys=ring)
    assert read(tmp_path / "journal", KeyRing.read(file.parent)) == [(1, b"one")]
    for bad in (file, file.with_name("nothing")):
        again = CliRunner().invoke(app, ["journal", "newkey", str(bad)])
        assert (again.exit_code, again.stdout) == (2, "")


def test_the_repair_command_takes_the_keys(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["journal", "newkey", str(tmp_path / "keys" / "1.key")])
    ring = KeyRing.read(tmp_path / "keys")
    write(tmp_path / "journal", b"one", b"two", keys=ring)
    command = ["journal", "repair", str(tmp_path / "journal"), "--check"]
    without = CliRunner().invoke(app, command)
    assert without.exit_code == 2
    assert "--keys of a command" in without.stderr
    found = CliRunner().invoke(app, [*command, "--keys", str(tmp_path / "keys")])
    assert found.exit_code == 0
    assert "2 entries" in found.stdout


def test_a_server_whose_settings_name_keys_writes_with_them(tmp_path: Path) -> None:
    for name in ("1.key", "2.key"):
        write_new_key(tmp_path / "keys" / name)
    journal = tmp_path / "journal"
    encryption = {"keys": tmp_path / "keys", "writes_with": "1.key"}
    settings = load_settings(None, {"journal": {"path": journal, "encryption": encryption}})
    writer = JournalWriter.of(journal, settings.journal)
    assert writer.buffer.place(entry(b"of ana").SerializeToString())
    writer.buffer.next_word[0] += 1
    writer.start()
    writer.close()
    ring = KeyRing.read(tmp_path / "keys", "1.key")
    assert only(journal).read_bytes()[32:40] == ring.newest.identity
    assert read(journal, ring) == [(1, b"of ana")]
    assert keys_of(settings.journal) is not None
    again = JournalWriter.of(journal, settings.journal)
    assert [each.backfill.request for each in again.entries_from(1)] == [b"of ana"]
    again.close()
