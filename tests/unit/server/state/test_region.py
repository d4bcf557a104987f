"""Opening a region: what is refused, with what to do about it, and what a killed or closed one leaves."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import structlog

from kuntur.features import FEATURE_NAMES
from kuntur.records import undo
from kuntur.records.seals import seal_of
from kuntur.time_zone import time_zone
from server.host.signals import StopWantedError
from server.journal import JournalWriter
from server.settings.config import ServerSettings
from server.settings.sections import History, JournalSettings
from server.state import HistorySizes, Region, RegionError, RegionHistory, histories
from server.state.region import region
from server.state.region.header import was_closed
from tests.contract.history_store import counted, transactions

SIZES = HistorySizes(accounts=16, merchants=8, devices=8, categories=8, recent_transactions=32)
MAGIC, FORM, LAYOUT, BOOT, CLOSED, ZONE, SEAL = 0, 1, 2, 3, 4, 5, 16  # words of the header


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a region in which three transactions of an account were counted, closed in order."""
    file = tmp_path / "state" / "history"
    made = Region.open(file, SIZES)
    RegionHistory(made).score_features(transactions([1, 2, 3]))
    made.close()
    return file


def write_word(path: Path, word: int, value: int) -> None:
    words = np.memmap(path, dtype=np.int64, mode="r+")
    words[word] = value
    words[SEAL] = seal_of(words, 0, SEAL)  # as whoever wrote it would have
    words.flush()


def test_a_second_server_on_the_file_is_refused(path: Path) -> None:
    first = Region.open(path, SIZES)
    with pytest.raises(RegionError, match="in use by another server"):
        Region.open(path, SIZES)
    first.close()
    Region.open(path, SIZES).close()


def test_other_sizes_are_named(path: Path) -> None:
    with pytest.raises(RegionError, match=r"accounts 16 there and 17 in the settings"):
        Region.open(path, replace(SIZES, accounts=17))


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [(MAGIC, 7, "not a finished history"), (FORM, 99, "other records"), (LAYOUT, 5, "other records")],
)
def test_a_file_of_another_form_is_refused(path: Path, word: int, value: int, message: str) -> None:
    write_word(path, word, value)
    with pytest.raises(RegionError, match=message):
        Region.open(path, SIZES)


def test_a_file_that_is_no_region_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    other = tmp_path / "notes"
    other.write_text("not a region")
    with pytest.raises(RegionError, match="not a finished history"):
        Region.open(other, SIZES)
    assert other.read_text() == "not a region"


def test_after_a_kill_the_file_goes_on_and_after_a_fall_of_the_machine_it_is_refused(path: Path) -> None:
    write_word(path, CLOSED, 0)  # as a killed server leaves it
    opened = Region.open(path, SIZES)
    assert counted(RegionHistory(opened).score_features(transactions([4]))) == [3]
    opened.close()
    write_word(path, BOOT, 1)  # closed in order before the machine was started again
    Region.open(path, SIZES).close()
    write_word(path, BOOT, 1)
    write_word(path, CLOSED, 0)
    with pytest.raises(RegionError, match="open when the machine went down"):
        Region.open(path, SIZES)


def test_a_disk_has_a_file_as_closed_only_while_all_of_it_is_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, bool]] = []

    class Mapped(mmap.mmap):
        def flush(self, *part: int) -> None:
            flushed.append(("header" if part else "all", self[8 * CLOSED] == 1))
            super().flush(*part)

    monkeypatch.setattr(mmap, "mmap", Mapped)
    opened = Region.open(path, SIZES)
    assert flushed == [("header", False)]
    opened.close()
    assert flushed[1:] == [("all", False), ("header", True)]


def test_a_start_that_is_ended_while_the_journal_is_read_closes_the_file_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise StopWantedError

    monkeypatch.setattr(histories, "bring_up_to_date", end)
    settings = ServerSettings(
        journal=JournalSettings(path=tmp_path / "journal"),
        history=History(path=tmp_path / "history", recent_transactions=1 << 14),
    )
    writer = JournalWriter.of(tmp_path / "journal", settings.journal)
    with pytest.raises(StopWantedError):
        histories.open_region(settings, writer.buffer, writer)
    writer.close()
    with (tmp_path / "history").open("rb") as file:
        assert was_closed(file.fileno())


def test_what_a_killed_server_had_begun_is_put_back_at_the_start(path: Path) -> None:
    opened = Region.open(path, SIZES)
    expected = opened.memory[opened.history.tables[0].nbytes :].copy()
    undo.keep(opened.history.undo, opened.memory, 0, 70_000, 3)
    opened.memory[70_000:70_003] = 99
    opened.close()
    again = Region.open(path, SIZES)
    assert again.memory[70_000:70_003].tolist() != [99, 99, 99]
    assert np.array_equal(again.memory[again.history.tables[0].nbytes :], expected)
    again.close()


def test_a_file_system_without_room_is_told_before_it_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_bavail, f_frsize = 10, 4096

    monkeypatch.setattr(region.os, "fstatvfs", lambda _: Full)
    with pytest.raises(RegionError, match=r"may take .* GiB and 0.0 GiB are free: set smaller"):
        Region.open(tmp_path / "history", SIZES)


def test_a_large_region_takes_memory_only_for_what_is_in_it(tmp_path: Path) -> None:
    large = HistorySizes(1_000_000, 8, 8, 8, 32)
    opened = Region.open(tmp_path / "history", large)
    RegionHistory(opened).score_features(transactions([1, 2, 3]))
    assert opened.memory.nbytes > 1_000 * 1_000_000
    assert (tmp_path / "history").stat().st_blocks * 512 < 64 << 20
    opened.close()


def test_a_history_of_another_time_zone_is_refused_and_both_are_named(tmp_path: Path, path: Path) -> None:
    madrid = time_zone("Europe/Madrid")
    with pytest.raises(
        RegionError, match=r"\(America/Lima there and Europe/Madrid in the settings\); set inst"
    ):
        Region.open(path, SIZES, madrid)
    Region.open(path, SIZES, time_zone("America/Bogota")).close()  # its clock is the same
    Region.open(tmp_path / "of-madrid", SIZES, madrid).close()
    with pytest.raises(RegionError, match=r"Europe/Madrid there and America/Lima in the settings"):
        Region.open(tmp_path / "of-madrid", SIZES)
    Region.open(tmp_path / "of-madrid", SIZES, madrid).close()


def test_a_file_from_before_zones_is_peru_s(path: Path) -> None:
    assert np.memmap(path, dtype=np.int64, mode="r")[ZONE] == 0
    write_word(path, ZONE, 99)
    with pytest.raises(RegionError, match="one that this release does not know there and America/Lima"):
        Region.open(path, SIZES)


def test_a_flipped_bit_in_the_zone_s_word_is_put_right(tmp_path: Path) -> None:
    madrid, path = time_zone("Europe/Madrid"), tmp_path / "history"
    Region.open(path, SIZES, madrid).close()
    words = np.memmap(path, dtype=np.int64, mode="r+")
    words[ZONE] ^= 1 << 7
    words.flush()
    opened = Region.open(path, SIZES, madrid)
    assert opened.memory[ZONE] == madrid.number
    opened.close()


def test_a_process_that_attaches_counts_nights_in_the_region_s_zone() -> None:
    made = Region.create(SIZES, time_zone("Europe/Madrid"))
    batch = transactions([1, 2, 3], start_us=1_768_000_000_000_000)  # 0:06 in Madrid, 18:06 in Lima
    hour = FEATURE_NAMES.index("hour")
    attached = RegionHistory(Region.attach(os.dup(made.fd or -1)))
    assert attached.score_features(batch)[0, hour] == 0
    assert RegionHistory(Region.create(SIZES)).score_features(batch)[0, hour] == 18


def test_looking_through_a_large_file_is_told_as_it_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(region, "_LONG_BYTES", 0)
    with structlog.testing.capture_logs() as logs:
        Region.open(path, SIZES).close()
    assert [entry["event"] for entry in logs] == ["looking the history through"] + ["looked through"] * 4
    assert logs[1]["records"] == 1
