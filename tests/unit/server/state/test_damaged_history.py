"""A history with damaged bits: never a crash, a hang or a wrong feature that nobody is told of."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import structlog

from kuntur.features.engine import ENTITIES
from kuntur.history import recent
from kuntur.history.outcomes import OutcomeStatus
from kuntur.records import table
from kuntur.transaction import KeyColumn
from server.host.lost_history import EXIT_CODE
from server.state import HistorySizes, Region, RegionError, RegionHistory, Scrubber
from tests.contract.history_store import START_US, counted, outcomes, transactions
from tests.support.bit_flips import CRASH, HANG, LATE, SAID, WRONG, try_flips
from tests.support.serving import wait_until

SIZES = HistorySizes(accounts=16, merchants=8, devices=8, categories=8, recent_transactions=32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which three transactions of each of two accounts were counted, closed in order."""
    file = tmp_path / "history"
    made = Region.open(file, SIZES)
    RegionHistory(made).score_features(transactions([1, 2, 3]))
    RegionHistory(made).score_features(transactions([4, 5, 6], account=8))
    made.close()
    return file


@pytest.fixture
def said(path: Path) -> Callable[[], list[str]]:
    """Opens the file, closes it, and returns what was said of damage."""

    def events() -> list[str]:
        with structlog.testing.capture_logs() as logs:
            Region.open(path, SIZES).close()
        return [entry["event"] for entry in logs if entry["log_level"] == "error"]

    return events


def account_word(path: Path, number: int, word: int) -> int:
    """Returns where a word of an account's record stands in the file."""
    opened = Region.open(path, SIZES)
    first = (opened.history.tables[0].ctypes.data - opened.memory.ctypes.data) // 8
    found = first + int(table.record_start(opened.history.tables[0], number)) + word
    opened.close()
    return found


def flip(path: Path, word: int, bit: int) -> None:
    words = np.memmap(path, dtype=np.uint64, mode="r+")
    words[word] ^= np.uint64(1 << bit)
    words.flush()


@pytest.mark.parametrize("seed", [11, 12])
def test_a_flipped_bit_in_a_file_is_harmless_or_said(tmp_path: Path, seed: int) -> None:
    found = try_flips(tmp_path, 200, seed)
    assert found[WRONG] == found[CRASH] == found[HANG] == 0
    assert found[SAID] > 50


def test_a_bit_that_flips_while_the_history_is_in_use_is_harmless_or_said(tmp_path: Path) -> None:
    found = try_flips(tmp_path, 200, 13, running=True)
    assert found[WRONG] == found[LATE] == found[CRASH] == found[HANG] == 0
    assert found[SAID] > 20


def test_a_damaged_record_is_set_aside_and_its_account_alone_starts_afresh(
    path: Path, said: Callable[[], list[str]]
) -> None:
    word = account_word(path, 0, 40)
    flip(path, word, 3)
    whole = path.read_bytes()[8 * (word - 40) :][: 8 * (ENTITIES["account"] + 1)]
    (event,) = said()
    assert "have been taken out" in event
    aside = path.with_name("history.damaged-1")
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    kept = json.loads(aside.read_text())
    assert kept["part"] == "account"
    assert bytes.fromhex(kept["record"]) == whole
    store = RegionHistory(Region.open(path, SIZES))
    assert counted(store.score_features(transactions([7]))) == [0]
    assert counted(store.score_features(transactions([8], account=8))) == [3]
    assert store.counts().damaged == 1


def test_a_record_damaged_in_use_starts_afresh_and_is_counted_and_said(path: Path) -> None:
    word = account_word(path, 0, 40)
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    region.memory[word] ^= 1 << 50
    with structlog.testing.capture_logs() as logs:
        assert counted(store.score_features(transactions([7, 9]))) == [0, 1]
        assert counted(store.score_features(transactions([8], account=8))) == [3]
    assert [entry["records"] for entry in logs] == [1]
    assert store.counts().damaged == 1
    region.close()


def test_a_header_damaged_in_use_is_mended_and_nothing_is_lost(path: Path) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    for part in (region.history.tables[0], region.history.recent, region.history.held):
        for word in range(4):
            part[word] ^= 1 << 40
            assert store.score_features(transactions([3]))[0] is not None
    assert counted(store.score_features(transactions([7]))) == [3]
    assert counted(store.score_features(transactions([8], account=8))) == [3]
    region.close()


@pytest.mark.parametrize("bit", [0, 1, 17, 40, 63])
def test_a_damaged_undo_log_starts_and_is_said(path: Path, said: Callable[[], list[str]], bit: int) -> None:
    flip(path, 512, bit)
    assert [event for event in said() if "undo log was damaged" in event]
    assert said() == []
    store = RegionHistory(Region.open(path, SIZES))
    assert counted(store.score_features(transactions([7]))) == [3]


@pytest.mark.parametrize("word", [0, 1, 2, 4, 8, 9, 12, 15, 16])
def test_a_damaged_word_of_the_header_is_put_right_and_said(
    path: Path, said: Callable[[], list[str]], word: int
) -> None:
    flip(path, word, 33)
    assert said() == ["a word of the history's header was damaged and has been put right"]
    assert said() == []


def test_a_header_with_more_than_one_damaged_word_is_refused_with_what_to_do(path: Path) -> None:
    flip(path, 4, 33)
    flip(path, 15, 3)
    with pytest.raises(RegionError, match="damaged header; move it away"):
        Region.open(path, SIZES)


@pytest.mark.parametrize("missing", [True, False])
def test_an_emptied_or_missing_file_is_said_loudly(
    path: Path, said: Callable[[], list[str]], missing: bool
) -> None:
    if missing:
        path.unlink()
    else:
        path.write_bytes(b"")
    (event,) = said()
    assert ("gone although there was one" if missing else "emptied") in event
    assert "all histories start afresh" in event
    assert said() == []


def test_a_new_file_draws_no_warning_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        Region.open(tmp_path / "of" / "its" / "own" / "history", SIZES).close()
    assert logs == []
    made = tmp_path / "of" / "its" / "own"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in made.iterdir()} == {0o600}


def test_a_cut_file_keeps_what_stands_before_the_cut(path: Path, said: Callable[[], list[str]]) -> None:
    word = account_word(path, 1, 0)
    with path.open("r+b") as file:
        file.truncate(8 * word)
    assert "was cut" in said()[0]
    assert said() == []
    store = RegionHistory(Region.open(path, SIZES))
    assert counted(store.score_features(transactions([7]))) == [3]
    assert counted(store.score_features(transactions([8], account=8))) == [0]


def test_a_damaged_correction_is_taken_out_and_the_others_stay(path: Path) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    store.report(outcomes([1, 4]))
    store.report(outcomes([1, 4], fraud=False))
    first = (region.history.held.ctypes.data - region.memory.ctypes.data) // 8
    assert region.history.held[2] == 2
    region.close()
    flip(path, first + 4, 9)
    region = Region.open(path, SIZES)
    assert region.history.held[2] == 1
    store = RegionHistory(region)
    later = transactions([7], start_us=START_US + 72 * 3_600_000_000)
    assert np.isfinite(store.score_features(later)[0, 0])
    assert region.history.held[2] == 0
    region.close()


def entry_of_first_account(region: Region) -> int:
    """Returns the place of the index that leads to the first account's record."""
    memory = region.history.tables[0]
    places = memory[table.HEADER_WORDS : table.HEADER_WORDS + int(memory[table.P_INDEX])]
    (found,) = np.flatnonzero((places & 0xFFFFFFFF) == 1)
    return table.HEADER_WORDS + int(found)


@pytest.mark.parametrize("bit", range(0, 64, 3))
def test_a_damaged_entry_of_an_index_is_mended_in_use_and_nothing_is_lost(path: Path, bit: int) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    region.history.tables[0].view(np.uint64)[entry_of_first_account(region)] ^= np.uint64(1 << bit)
    with structlog.testing.capture_logs() as logs:
        assert counted(store.score_features(transactions([7, 8, 9]))) == [3, 4, 5]
    assert [entry["part"] for entry in logs] == ["account"]
    assert store.counts().entities["account"] == 2
    region.close()


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_a_record_with_a_damaged_key_is_taken_out_when_its_entity_comes(path: Path, bit: int) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    first = int(table.record_start(region.history.tables[0], 0))
    region.history.tables[0].view(np.uint64)[first] ^= np.uint64(1 << bit)
    with structlog.testing.capture_logs() as logs:
        assert counted(store.score_features(transactions([7, 9]))) == [0, 1]
    assert len(logs) == 1
    assert store.counts().entities["account"] == 2
    region.close()


def test_a_frame_that_meets_damage_on_its_way_is_counted_once_and_whole(path: Path) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    region.history.tables[0][entry_of_first_account(region)] ^= 1 << 45
    frame = transactions([20, 21, 22, 23])
    frame.keys[:2, KeyColumn.ACCOUNT] = 8  # the damage is met in the third row
    assert counted(store.score_features(frame)) == [3, 4, 3, 4]
    assert store.counts().recent_transactions == 10
    again = transactions([20, 21, 22, 23, 24])
    assert store.backfill(again) == 4
    region.close()


@pytest.mark.parametrize("word", [0, 1, 6])
def test_a_known_transaction_with_a_damaged_record_is_never_counted_again_in_silence(
    path: Path, word: int
) -> None:
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    region.history.recent[int(recent.start_of(region.history.recent, 0)) + word] ^= 1 << 33
    with structlog.testing.capture_logs() as logs:
        store.score_features(transactions([1]))
        statuses = store.report(outcomes([1])).tolist()
    assert [entry["part"] for entry in logs] == ["recent transaction"]
    assert statuses == [OutcomeStatus.APPLIED] if word == 0 else [OutcomeStatus.UNKNOWN]
    region.close()


def test_an_idle_record_that_is_damaged_is_found_in_the_background(path: Path) -> None:
    word = account_word(path, 1, 40)
    region = Region.open(path, SIZES)
    store = RegionHistory(region)
    scrubber = Scrubber(store, 10_000)
    scrubber.start()
    wait_until(lambda: store.counts().checks > 0)
    assert store.counts().damaged == 0
    region.memory[word] ^= 1 << 50
    wait_until(lambda: store.counts().damaged == 1)
    scrubber.stop()
    assert store.counts().entities["account"] == 1
    assert path.with_name("history.damaged-1").exists()
    region.close()


def test_a_damaged_header_of_the_whole_is_put_right_in_use(path: Path, said: Callable[[], list[str]]) -> None:
    region = Region.open(path, SIZES)
    region.memory[8] ^= 1 << 7
    with structlog.testing.capture_logs() as logs:
        for check in RegionHistory(region).checks(10):
            check()
    assert [entry["event"] for entry in logs] == [
        "a word of the history's header was damaged and has been put right"
    ]
    region.memory[9] ^= 1 << 7
    region.close()
    assert said() == []


def test_a_shared_region_that_is_shorter_than_its_sizes_is_refused_with_a_sentence(path: Path) -> None:
    region = Region.open(path, SIZES)
    assert region.fd is not None
    with path.open("r+b") as file:
        file.truncate(8192)
    with pytest.raises(RegionError, match="was cut"):
        Region.attach(os.dup(region.fd), SIZES)


_SCORE_WITH_A_LOCK_THAT_LIVES_ON = """
import os, sys
from pathlib import Path
from server.state import Region, RegionHistory
from server.state.region import mutex
from tests.unit.server.state.test_damaged_history import SIZES
mutex.PATIENCE_S = mutex._LOOK_EVERY_S = 0.01
region = Region.open(Path(sys.argv[1]), SIZES)
region.memory[64] = (region.memory[64] >> 32 << 32) | os.getppid()  # held, it seems, by one that waits
RegionHistory(region).counts()
"""


def test_a_lock_that_is_never_released_ends_the_process_with_a_sentence_and_the_next_start_serves(
    path: Path,
) -> None:
    command = [sys.executable, "-c", _SCORE_WITH_A_LOCK_THAT_LIVES_ON, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == EXIT_CODE
    assert "the lock of the history is damaged, or its holder no longer runs" in ended.stderr
    assert "Traceback" not in ended.stderr
    store = RegionHistory(Region.open(path, SIZES))
    assert counted(store.score_features(transactions([7]))) == [3]
