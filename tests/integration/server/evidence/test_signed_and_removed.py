"""Evidence from a journal that its server signs, and from one whose beginning is gone."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from kuntur.journal.records import first_sequence
from kuntur.journal.tail import journal_files
from kuntur.transparency.notes.key_files import write_key
from server.evidence import EvidenceError, Wanted, collect, write_files
from server.settings.config import ServerSettings
from server.settings.passing import settings_to_line
from tests.integration.server.evidence.test_evidence import made, verified
from tests.support.evident import INSTITUTION, KEY
from tests.support.explained import publish_explained
from tests.support.serving import running_server, settings_for, unary, wait_until

_EACH = 40


def test_what_a_server_signs_is_proved_beside_it(tmp_path: Path) -> None:
    publish_explained(tmp_path / "registry", "m-1", "xgboost")
    write_key(tmp_path / "keys" / "1.key", KEY)
    signing = {"keys": tmp_path / "keys", "interval_s": 0.05, "log": tmp_path / "elsewhere"}
    journal = {"path": tmp_path / "journal", "sync_interval_s": 0.02, "signing": signing}
    with running_server(tmp_path / "registry", journal=journal) as server:
        server.wait_until_live("m-1")
        for number in range(_EACH):
            server.stubs.scoring.ScoreTransaction(unary(made(number)))
        wanted = Wanted(INSTITUTION, f"t-{_EACH - 1}", verifiers=[KEY.verifier])
        settings = server.app.settings
        wait_until(lambda: is_proved(settings, wanted))
        evidence = collect(settings, wanted)
    assert evidence.rebuilt.equal is True
    write_files(evidence, tmp_path / "out")
    assert verified(tmp_path / "out", KEY.verifier) == (0, "")


def is_proved(settings: ServerSettings, wanted: Wanted) -> bool:
    """Tells whether a transaction is in the journal's files and in its log."""
    try:
        quick = Wanted(wanted.institution_id, wanted.transaction_id, rebuild=False)
        return collect(settings, quick).checkpoint is not None
    except EvidenceError:
        return False


def snapshot(settings: ServerSettings) -> int:
    """Has a snapshot taken as a server does, and returns the last entry in it."""
    command, line = [sys.executable, "-m", "server", "snapshot"], settings_to_line(settings)
    done = subprocess.run(command, input=line, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["sequence"])


@pytest.fixture(scope="module")
def removed(tmp_path_factory: pytest.TempPathFactory) -> ServerSettings:
    """A journal in small files, with a snapshot of its first half; the files before that are gone."""
    folder = tmp_path_factory.mktemp("removed")
    publish_explained(folder / "registry", "m-1", "xgboost")
    journal = {"path": folder / "journal", "max_file_bytes": 4096}
    settings = settings_for(folder / "registry", journal=journal)
    for start in (0, _EACH):
        with running_server(folder / "registry", journal=journal) as server:
            server.wait_until_live("m-1")
            for number in range(start, start + _EACH):
                server.stubs.scoring.ScoreTransaction(unary(made(number)))
        if not start:
            sequence = snapshot(settings)
    files = journal_files(folder / "journal")
    for path, following in pairwise(files):
        if first_sequence(following) <= sequence - 20:
            path.unlink()
    return settings


def test_a_journal_whose_beginning_is_gone_is_rebuilt_from_a_snapshot(removed: ServerSettings) -> None:
    evidence = collect(removed, Wanted(INSTITUTION, f"t-{2 * _EACH - 1}"))
    assert evidence.rebuilt.equal is True
    assert "a snapshot up to entry 80" in evidence.rebuilt.told
    assert "snapshot" in evidence.rebuilt.caveats[0]


def test_what_came_before_the_snapshot_says_what_it_lacks(removed: ServerSettings) -> None:
    evidence = collect(removed, Wanted(INSTITUTION, f"t-{_EACH - 2}"))
    assert "begins with entry" in evidence.rebuilt.caveats[0]


def test_a_whole_journal_is_replayed_from_its_beginning_unless_told_otherwise(tmp_path: Path) -> None:
    publish_explained(tmp_path / "registry", "m-1", "xgboost")
    journal = {"path": tmp_path / "journal"}
    settings = settings_for(tmp_path / "registry", journal=journal)
    for start in (0, 10):
        with running_server(tmp_path / "registry", journal=journal) as server:
            server.wait_until_live("m-1")
            for number in range(start, start + 10):
                server.stubs.scoring.ScoreTransaction(unary(made(number)))
        if not start:
            snapshot(settings)
    whole = collect(settings, Wanted(INSTITUTION, "t-15"))
    quick = collect(settings, Wanted(INSTITUTION, "t-15", from_snapshot=True))
    assert whole.rebuilt.equal is quick.rebuilt.equal is True
    assert whole.features == quick.features
    assert (whole.rebuilt.caveats, whole.rebuilt.entries, quick.rebuilt.entries) == ((), 30, 10)
