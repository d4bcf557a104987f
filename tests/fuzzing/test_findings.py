"""What the fuzzers found, each as the fact that holds now."""

from __future__ import annotations

import struct
import tomllib
import zlib
from pathlib import Path

import pytest

from kuntur.bundle.signing import PolicyError, read_policy
from kuntur.files.toml import parse_toml
from kuntur.journal.errors import CorruptJournalError
from kuntur.journal.exchanges import read_exchanges
from kuntur.journal.file import file_name, journal_files, read_entries
from kuntur.journal.layout import MAX_SEQUENCE, Header
from kuntur.journal.records import first_sequence
from kuntur.journal.repair import examine, repair
from kuntur.journal.retention import written_ns
from kuntur.journal.v1 import journal_pb2
from kuntur.journal.workers import read_server_journal
from server.access.bindings import BindingsError, read_bindings
from server.settings.config import ConfigError, load_settings
from tests.support.journals import admission, entry, numbered
from tests.support.signed_journals import SignedJournal, write_file
from tests.support.signers import Signer

_NESTED = "a = " + "[" * 2000
_LONG = "a = " + "9" * 5000


def _journal(directory: Path, *entries: journal_pb2.Entry, first: int = 1) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / file_name(first)
    write_file(path, numbered(first, entries))
    return path


def _with_lost(path: Path, lost: int) -> None:
    """Has a file's header count so many entries as lost, as nobody but its owner could write it."""
    raw = path.read_bytes()
    marker = raw[20:28]
    start = struct.pack("<8sIQ8s", b"KNTR-JNL", 2, lost, marker)
    path.write_bytes(start + struct.pack("<I", zlib.crc32(start)) + raw[32:])


@pytest.mark.parametrize(
    "one",
    [
        admission(2, b"\x0a\x01", b"\x0a\x01", refused=[0]),
        journal_pb2.Entry(score_stream=journal_pb2.Exchange(request=b"", response=b"\x0a\x01")),
    ],
    ids=["requests", "response"],
)
def test_an_entry_without_messages_in_it_is_a_damaged_journal(tmp_path: Path, one: journal_pb2.Entry) -> None:
    _journal(tmp_path, one)
    with pytest.raises(CorruptJournalError, match="entry 1 has a request or a response that is no message"):
        list(read_exchanges(tmp_path))


def test_a_repair_takes_back_what_a_header_counts_beyond_the_next_file(tmp_path: Path) -> None:
    first = _journal(tmp_path, entry(b"a"))
    _journal(tmp_path, entry(b"b"), first=4)
    _with_lost(first, 189)
    with pytest.raises(CorruptJournalError):
        list(read_entries(tmp_path))
    assert not examine(tmp_path).whole
    repair(tmp_path)
    assert not examine(tmp_path).faults
    assert [each.sequence for each in read_entries(tmp_path)] == [4]


@pytest.mark.parametrize("number", [0, MAX_SEQUENCE + 1, 10**25])
def test_a_file_of_a_number_that_no_entry_has_is_none_of_a_journal(tmp_path: Path, number: int) -> None:
    with pytest.raises(CorruptJournalError, match="the name holds no sequence"):
        first_sequence(tmp_path / file_name(number))


def test_a_header_that_counts_more_than_there_can_be_is_damaged(tmp_path: Path) -> None:
    path = _journal(tmp_path, entry(b"a"))
    _with_lost(path, MAX_SEQUENCE + 1)
    assert Header.read(path.read_bytes()[:44]) is None
    assert not examine(tmp_path).whole
    repair(tmp_path)
    assert len(list(read_entries(tmp_path))) == 1


def test_a_time_that_no_clock_shows_keeps_nothing_from_being_read(tmp_path: Path) -> None:
    one = entry(b"a")
    one.written_time.nanos = 1_790_000_001
    path = _journal(tmp_path, one)
    _journal(tmp_path / "worker-0", one)
    assert written_ns(path) == 1_790_000_001
    assert len(list(read_server_journal(tmp_path))) == 2


def test_a_header_that_counts_whatever_it_likes_is_verified_in_no_time(tmp_path: Path) -> None:
    journal = SignedJournal(tmp_path)
    journal.grow(3, 2)
    journal.sign()
    journal.grow(1)
    _with_lost(journal_files(journal.directory)[-1], MAX_SEQUENCE - 1)
    report = journal.verify()
    assert not report.holds
    assert len(report.notes) < 10


@pytest.mark.parametrize("text", [_NESTED, _LONG, "a = {" * 1000], ids=["lists", "digits", "tables"])
def test_toml_that_python_cannot_read_is_not_valid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.toml"
    path.write_text(text)
    with pytest.raises(tomllib.TOMLDecodeError):
        parse_toml(text)
    with pytest.raises(BindingsError, match="it is not valid TOML"):
        read_bindings(text.encode())
    with pytest.raises(PolicyError, match="is not valid TOML"):
        read_policy(path)
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_settings(path)


def test_a_policy_may_name_a_path_that_no_file_has(tmp_path: Path) -> None:
    Signer(tmp_path, "trainer")
    path = tmp_path / "policy.toml"
    path.write_text('threshold = 1\n[[keys]]\nsigner = "trainer"\nfile = "trainer\\u0000.pem"\n')
    with pytest.raises(PolicyError, match="is no path of a file"):
        read_policy(path)
