"""The signing process as the server keeps it: it signs, says what it refuses, and is started again."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from structlog.testing import capture_logs

from kuntur.transparency.notes.keys import KeyKind
from kuntur.transparency.signing.places import CHECKPOINT, WITNESSED, read_checkpoint
from server.journal.buffer import Buffer
from server.journal.form import LEAST_BYTES, synced_sequence
from server.settings.config import ServerSettings
from server.signing import SigningKeeper, SigningMetrics, keeper, open_signing
from server.signing.order import SigningOrder
from server.witness.http import WitnessServer
from server.witness.witness import Witness
from tests.support.serving import wait_until
from tests.support.signed_journals import KEY, SignedJournal
from tests.support.transparency import signing_key

WITNESS = signing_key(9, KeyKind.WITNESS)


@pytest.fixture
def journal(tmp_path: Path) -> SignedJournal:
    journal = SignedJournal(tmp_path)
    journal.grow(20)
    return journal


def settings(journal: SignedJournal, **signing: Any) -> ServerSettings:
    made = {"keys": journal.root / "keys", "interval_s": 0.02, "witness_interval_s": 0.02} | signing
    return ServerSettings.model_validate(
        {"journal": {"path": journal.directory, "checkpoints": [journal.second], "signing": made}}
    )


def started(journal: SignedJournal, **signing: Any) -> SigningKeeper:
    found = open_signing(settings(journal, **signing))
    assert found is not None
    found.start()
    return found


@pytest.fixture
def signing(journal: SignedJournal) -> Iterator[SigningKeeper]:
    found = started(journal)
    yield found
    found.stop()


def signed(journal: SignedJournal) -> int:
    found = read_checkpoint(journal.second / CHECKPOINT, [KEY.verifier])
    return 0 if found is None else found.checkpoint.size


def test_it_signs_while_the_journal_grows_and_once_more_at_the_end(
    journal: SignedJournal, signing: SigningKeeper
) -> None:
    wait_until(lambda: signed(journal) == signing.size == 20)
    journal.grow(10)
    wait_until(lambda: signed(journal) == 30)
    wait_until(lambda: signing.signing)
    journal.grow(7)
    signing.stop()
    assert signed(journal) == signing.size == 37
    assert journal.verify().holds
    assert sum(signing.failures.values()) == 0
    assert not signing.signing
    signing.stop()


def test_its_metrics_tell_how_far_it_is(journal: SignedJournal, signing: SigningKeeper) -> None:
    registry = CollectorRegistry()
    registry.register(SigningMetrics(signing))
    wait_until(lambda: registry.get_sample_value("kuntur_journal_signed_sequence") == 20)
    wait_until(lambda: registry.get_sample_value("kuntur_journal_signing") == 1)
    age = registry.get_sample_value("kuntur_journal_checkpoint_age_seconds")
    assert age is not None
    wait_until(lambda: signing.age_s < 0.5)
    for reason in keeper.REASONS:
        labels = {"reason": reason}
        assert registry.get_sample_value("kuntur_journal_signing_failures_total", labels) == 0


def test_one_that_dies_is_started_again(journal: SignedJournal, signing: SigningKeeper) -> None:
    wait_until(lambda: signing.signing)
    assert signing._process is not None
    signing._process.kill()
    wait_until(lambda: signing.failures["died"] == 1)
    journal.grow(5)
    wait_until(lambda: signed(journal) == 25)


def test_what_it_refuses_is_a_loud_line_said_once_until_it_signs_again(
    journal: SignedJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_REFUSED_PAUSE_S", 0.1)
    journal.grow(10)
    journal.sign()
    last = journal.files[-1]
    content = last.read_bytes()
    last.unlink()
    with capture_logs() as logs:
        signing = started(journal)
        try:
            wait_until(lambda: signing.failures["refused"] >= 2)
            assert not signing.signing
            last.write_bytes(content)
            journal.grow(1)
            wait_until(lambda: signed(journal) == 31)
            wait_until(lambda: signing.signing)
        finally:
            signing.stop()
    [loud] = [each for each in logs if each["log_level"] == "critical"]
    assert "the journal has lost entries: a checkpoint was signed over 30" in loud["reason"]
    assert "journal verify" in loud["event"]
    assert "the journal is signed again" in [each["event"] for each in logs]


def test_keys_that_cannot_be_used_are_refused_too(journal: SignedJournal) -> None:
    key = next((journal.root / "keys").iterdir())
    key.chmod(0o644)
    with capture_logs() as logs:
        signing = started(journal)
        wait_until(lambda: signing.failures["refused"] == 1)
        signing.stop()
    assert any("for its owner alone" in each.get("reason", "") for each in logs)


def test_a_place_that_cannot_be_written_is_told(journal: SignedJournal) -> None:
    with capture_logs() as logs:
        signing = started(journal)
        wait_until(lambda: signing.size == 20)
        shutil.rmtree(journal.second)
        journal.second.write_text("in the way")
        journal.grow(1)
        wait_until(lambda: signing.size == 21)
        wait_until(lambda: signing.failures["told"] > 0)
        signing.stop()
    told = [each for each in logs if each["event"] == "signing of the journal"]
    assert "the other places alone" in told[0]["told"]


def test_two_do_not_sign_one_log(journal: SignedJournal, signing: SigningKeeper) -> None:
    wait_until(lambda: signing.signing)
    other = started(journal)
    wait_until(lambda: other.failures["told"] > 0)
    assert other.failures["died"] == 0
    signing.stop()
    journal.grow(3)
    wait_until(lambda: other.size == 23)
    other.stop()
    assert journal.verify().holds


def test_witnesses_are_asked(journal: SignedJournal, tmp_path: Path) -> None:
    witness = Witness([WITNESS], [KEY.verifier], tmp_path / "seen")
    server = WitnessServer("127.0.0.1", 0, witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    signing = started(journal, witnesses=[f"http://127.0.0.1:{server.port} {WITNESS.verifier}"])
    try:
        wait_until((journal.log / WITNESSED).exists)
    finally:
        signing.stop()
        server.shutdown()
        server.server_close()
        thread.join()
        witness.close()
    report = journal.verify(witnesses=[WITNESS.verifier])
    assert report.holds, report.findings


def test_a_server_without_keys_signs_nothing(tmp_path: Path) -> None:
    assert open_signing(ServerSettings()) is None
    assert open_signing(ServerSettings.model_validate({"journal": {"path": tmp_path}})) is None


def test_one_that_never_began_ends_at_once(journal: SignedJournal) -> None:
    found = open_signing(settings(journal))
    assert found is not None
    found.stop()
    assert not journal.log.exists()


def test_an_order_carries_the_settings(journal: SignedJournal) -> None:
    witness = f"https://supervisor.example/a {WITNESS.verifier}"
    order = SigningOrder.of(settings(journal, witnesses=[witness]))
    assert order is not None
    assert SigningOrder.from_line(order.to_line()) == order
    assert (order.log, order.witnesses) == (str(journal.log), (witness,))
    elsewhere = SigningOrder.of(settings(journal, log=journal.root / "tree"))
    assert elsewhere is not None
    assert elsewhere.log == str(journal.root / "tree")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"path": None, "signing": {"keys": "keys"}}, "there is no journal to sign: set path"),
        ({"path": "journal", "checkpoints": ["second"]}, "nothing signs any: set signing.keys"),
        ({"signing": {"witnesses": ["supervisor.example x"]}}, "a URL with http:// or https://"),
        ({"signing": {"witnesses": ["http://supervisor.example"]}}, "a URL with http:// or https://"),
        ({"signing": {"witnesses": ["http://supervisor.example x+y+z"]}}, "not Base64"),
        ({"signing": {"witnesses": [f"http://a.example {KEY.verifier}"]}}, "is not a witness's"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ServerSettings.model_validate({"journal": given})


def test_how_far_the_disk_is_is_read_from_the_buffer(tmp_path: Path) -> None:
    assert synced_sequence(tmp_path) is None
    buffer = Buffer.open(tmp_path, LEAST_BYTES, 41, 1)
    assert synced_sequence(tmp_path) == 40
    buffer.free(55)
    assert synced_sequence(tmp_path) == 54
    buffer.close()
