from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kuntur.journal.file import JournalFileWriter, file_name, journal_files
from kuntur.journal.workers import read_server_journal
from server.cli.app import app
from tests.support.journals import flip, write

RECORD_BYTES = 20 + 7  # head, and the payload of an entry whose request has one byte


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["journal", "repair", *map(str, arguments)])


def lines(result: Result) -> str:
    return " ".join(result.stdout.split())


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two workers, ten entries each in two files."""
    for worker in ("worker-0", "worker-1"):
        for requests in (b"abcde", b"fghij"):
            write(tmp_path / worker, *(bytes([byte]) for byte in requests))
    return tmp_path


def record_bit(number: int, byte: int) -> int:
    return 8 * (32 + number * RECORD_BYTES + byte)


def requests(journal: Path) -> str:
    return "".join(entry.backfill.request.decode() for entry in read_server_journal(journal))


def content(journal: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in journal.rglob("*.kj*")}


def test_a_whole_journal_needs_nothing(journal: Path) -> None:
    before = content(journal)
    for arguments in ((journal,), (journal, "--check")):
        result = run(*arguments)
        assert result.exit_code == 0
        assert f"{journal}/worker-0: 2 files, 10 entries" in result.stdout
        assert "The journal is whole: nothing to repair." in result.stdout
    assert content(journal) == before


def test_check_tells_what_a_repair_does_and_changes_nothing(journal: Path) -> None:
    flip(journal_files(journal / "worker-1")[0], record_bit(2, 9))
    before = content(journal)
    result = run(journal, "--check")
    assert result.exit_code == 1
    cause = "bytes 86 to 113: the head of a record is damaged; entry 3 is lost"
    assert f"{file_name(1)}, {cause}" in result.stdout
    assert "A repair keeps 19 entries and sets 27 bytes aside; 1 lost." in result.stdout
    assert content(journal) == before
    assert not (journal / "writer.lock").exists()


def test_a_repair_keeps_every_valid_entry_and_tells_what_is_lost(journal: Path) -> None:
    damaged = journal_files(journal / "worker-1")[0]
    flip(damaged, record_bit(2, 9))
    bytes_lost = damaged.read_bytes()[86:113]
    result = run(journal)
    assert result.exit_code == 0
    assert "19 entries kept, 1 lost, 27 bytes set aside. The journal is whole." in lines(result)
    aside = damaged.with_name(f"{damaged.name}.damaged-at-86")
    assert f"set aside in {aside.name}" in result.stdout
    assert aside.read_bytes() == bytes_lost
    assert [path.name for path in journal_files(journal / "worker-1")] == list(map(file_name, (1, 3, 6)))
    assert {path.stat().st_mode & 0o777 for path in (journal / "worker-1").iterdir()} == {0o600}
    assert sorted(requests(journal)) == sorted("abcdefghij" + "abdefghij")
    before = content(journal)
    again = run(journal)
    assert again.exit_code == 0
    assert "Earlier repairs went on without 1 entry." in again.stdout
    assert "nothing to repair" in again.stdout
    assert content(journal) == before


def test_a_damaged_last_record_of_a_file_that_was_closed_is_counted(journal: Path) -> None:
    flip(journal_files(journal / "worker-0")[0], record_bit(4, 22))
    assert "entry 5 is lost" in run(journal).stdout
    assert sorted(requests(journal)) == sorted("abcdfghij" + "abcdefghij")


def test_a_damaged_header_loses_no_entry(journal: Path) -> None:
    flip(journal_files(journal / "worker-0")[1], 8 * 20)
    result = run(journal)
    assert "no entry is lost" in result.stdout
    assert "20 entries kept, 0 lost, 32 bytes set aside." in result.stdout
    assert requests(journal).count("f") == 2


def test_a_file_that_is_gone_is_gone_on_without(journal: Path) -> None:
    write(journal / "worker-0", b"k")
    journal_files(journal / "worker-0")[1].unlink()
    result = run(journal)
    assert result.exit_code == 0
    assert "entries are missing behind this file; entries 6 to 10 are lost" in result.stdout
    assert sorted(requests(journal)) == sorted("abcdek" + "abcdefghij")
    assert "Earlier repairs went on without 5 entries." in run(journal).stdout


def test_bytes_that_were_valid_once_are_told_from_those_that_belong_there(journal: Path) -> None:
    last = journal_files(journal / "worker-0")[-1]
    last.write_bytes(last.read_bytes() + last.read_bytes()[32 : 32 + 2 * RECORD_BYTES])
    with pytest.raises(Exception, match="entry 6 stands where entry 11 belongs; 54 bytes"):
        JournalFileWriter(journal / "worker-0")
    assert "valid there but of another place: 2 records; no entry is lost" in run(journal).stdout
    assert sorted(requests(journal)) == sorted("abcdefghij" * 2)


def test_a_torn_tail_needs_no_repair_but_is_repaired_too(journal: Path) -> None:
    last = journal_files(journal / "worker-0")[-1]
    last.write_bytes(last.read_bytes()[:-1])
    check = run(journal, "--check")
    assert check.exit_code == 0
    assert "a torn tail: no valid record follows" in check.stdout
    assert "None is needed" in check.stdout
    assert "0 lost, beside what the torn tail held, 26 bytes set aside" in run(journal).stdout
    assert sorted(requests(journal)) == sorted("abcdefghi" + "abcdefghij")


def test_a_journal_that_a_server_writes_is_only_looked_at(journal: Path) -> None:
    damaged = journal_files(journal / "worker-1")[0]
    flip(damaged, record_bit(2, 9))
    writer = JournalFileWriter(journal / "worker-0")
    before = content(journal)
    result = run(journal)
    assert result.exit_code == 2
    assert "a server writes this journal: stop it first" in result.stderr
    assert content(journal) == before
    assert run(journal, "--check").exit_code == 1
    writer.close()
    assert run(journal).exit_code == 0


def test_where_one_part_cannot_be_repaired_none_is_changed(journal: Path) -> None:
    flip(journal_files(journal / "worker-0")[0], record_bit(2, 9))
    (journal / "worker-1" / "journal-x.kj").write_bytes(b"")
    before = content(journal)
    result = run(journal)
    assert result.exit_code == 2
    assert "journal-x.kj, byte 0: the name holds no sequence" in result.stderr
    assert content(journal) == before


def test_a_directory_without_a_journal_is_told(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "none"):
        result = run(directory)
        assert result.exit_code == 2
        assert f"{directory}: there is no journal here" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_repair_that_was_cut_off_is_finished_by_the_next(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = journal_files(journal / "worker-0")[0]
    for number in (1, 3):
        flip(damaged, record_bit(number, 9))

    def fail(path: Path, length: int) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as full:
        full.setattr("os.truncate", fail)
        result = run(journal)
        assert result.exit_code == 2
        assert "No space left on device" in result.stderr
        assert str(damaged) in result.stderr
    assert run(journal, "--check").exit_code == 1
    assert run(journal).exit_code == 0
    assert sorted(requests(journal)) == sorted("acefghij" + "abcdefghij")
    assert run(journal, "--check").exit_code == 0


def test_the_help_teaches() -> None:
    shown = " ".join(run("--help").stdout.split())
    for taught in ("Exit codes: 0", "--check", "never deleted", "Example: kuntur-server journal repair"):
        assert taught in shown
