from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs
from typer.testing import CliRunner

from kuntur.bundle.bundle import BundleRefusedError, RefusalReason
from kuntur.bundle.signing import PolicyError
from server.cli.app import app as command_line
from server.models.newest import Newest, NewestLive, NewestLiveError
from server.models.trust import Trust
from server.settings.sections import Signatures
from tests.support.bundles import manifest, publish
from tests.support.signers import Signer, write_policy

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write_policy(tmp_path / "policy.toml", [Signer(tmp_path, "trainer")], 1)


def model(version: str, time: datetime | None) -> object:
    return manifest(version, published_time="" if time is None else time.isoformat())


def refusal(trust: Trust, version: str, time: datetime | None) -> BundleRefusedError:
    with pytest.raises(BundleRefusedError) as refused:
        trust.check_age(model(version, time))
    return refused.value


def test_without_a_policy_whatever_is_there_is_trusted(tmp_path: Path) -> None:
    trust = Trust()
    assert trust.policy() is None
    assert trust.signers_required() == 0
    trust.went_live(model("new", NOW))
    trust.check_age(model("old", NOW - timedelta(days=1)))
    assert trust.fingerprint() == ()


@pytest.mark.parametrize("kept", [True, False])
def test_an_older_model_is_refused_and_one_as_old_is_not(tmp_path: Path, policy: Path, kept: bool) -> None:
    trust = Trust(policy, tmp_path / "newest.json" if kept else None)
    trust.check_age(model("first", None))
    trust.went_live(model("live", NOW))
    trust.check_age(model("live", NOW))
    trust.check_age(model("sibling", NOW))
    trust.check_age(model("newer", NOW + timedelta(milliseconds=1)))
    found = refusal(trust, "older", NOW - timedelta(milliseconds=1))
    assert found.reason is RefusalReason.MODEL_ROLLED_BACK
    assert "live of 2026-05-01T12:00:00+00:00 was live" in found.message
    assert refusal(trust, "from-before-times-were-told", None).reason is RefusalReason.MODEL_ROLLED_BACK


def test_an_older_model_that_was_live_lowers_nothing(tmp_path: Path, policy: Path) -> None:
    trust = Trust(policy, tmp_path / "newest.json")
    trust.went_live(model("live", NOW))
    trust.went_live(model("older", NOW - timedelta(days=1)))
    assert NewestLive(tmp_path / "newest.json").read() == Newest("live", NOW)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[" * 4_000),
        lambda path: path.write_text('{"model_version": "a"}'),
        lambda path: path.write_text('{"model_version": "a", "published_time": "2026-05-01"}'),
        lambda path: path.write_text('{"model_version": "a", "published_time": "yesterday"}'),
        lambda path: path.write_bytes(bytes(1 << 20)),
        lambda path: path.mkdir(),
        os.mkfifo,
    ],
)
def test_what_is_kept_damaged_lets_no_model_through_until_an_operator_goes_back(
    tmp_path: Path, policy: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "newest.json"
    damage(path)
    trust = Trust(policy, path)
    assert refusal(trust, "any", NOW).reason is RefusalReason.MODEL_ROLLED_BACK
    with capture_logs() as logs:
        trust.went_live(model("any", NOW))
    assert [log["log_level"] for log in logs] == ["error"]
    if path.is_file():
        assert NewestLive(path).lower_to(Newest("any", NOW)) is None
        trust.check_age(model("any", NOW))


def test_workers_that_share_the_file_keep_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "newest.json"
    times = [NOW + timedelta(seconds=(37 * n) % 101) for n in range(60)]

    def raise_some(part: list[datetime]) -> None:
        for time in part:
            NewestLive(path).raise_to(Newest(f"{time:%S}", time))

    threads = [threading.Thread(target=raise_some, args=(times[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    newest = NewestLive(path).read()
    assert newest is not None
    assert newest.time == max(times)
    assert [p.name for p in path.parent.iterdir()] == ["newest.json"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NewestLiveError, match="cannot be written"):
        NewestLive(tmp_path / "file" / "newest.json").raise_to(Newest("a", NOW))


def test_a_policy_that_becomes_unreadable_lets_no_model_through(tmp_path: Path, policy: Path) -> None:
    trust = Trust(policy)
    assert trust.signers_required() == 1
    before = trust.fingerprint()
    (tmp_path / "trainer.pub.pem").unlink()
    assert trust.fingerprint() != before
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(BundleRefusedError) as refused:
                trust.policy()
    assert refused.value.reason is RefusalReason.INCOMPLETE
    assert len(logs) == 1
    assert str(tmp_path) not in refused.value.message  # callers of ModelService read it
    assert "trainer.pub.pem cannot be read" in logs[0]["error"]
    with pytest.raises(PolicyError):
        trust.signers_required()


def test_a_key_that_ends_soon_is_told_once(tmp_path: Path) -> None:
    signers = [Signer(tmp_path, name) for name in ("trainer", "approver")]
    until = {"trainer": datetime.now(UTC).date() + timedelta(days=3), "approver": date(2999, 1, 1)}
    trust = Trust(write_policy(tmp_path / "policy.toml", signers, 1, until))
    with capture_logs() as logs:
        trust.policy()
        trust.policy()
    assert [(log["signer"], log["until"]) for log in logs] == [("trainer", str(until["trainer"]))]


def test_the_newest_is_kept_only_of_signed_models() -> None:
    with pytest.raises(ValidationError, match="newest_live needs a policy"):
        Signatures(newest_live=Path("newest.json"))


def go_back(version: str, folder: Path) -> tuple[int, str]:
    told = CliRunner().invoke(command_line, ["go-back", version, "--config", str(folder / "server.toml")])
    return told.exit_code, told.output + (told.stderr if told.stderr_bytes else "")


def test_going_back_needs_a_bundle_that_is_signed(tmp_path: Path) -> None:
    registry, signer = tmp_path / "registry", Signer(tmp_path, "trainer")
    write_policy(tmp_path / "policy.toml", [signer], 1)
    bundle = publish(registry, "old", published_time=NOW.isoformat())
    settings = f'registry_path = "{registry}"\n'
    (tmp_path / "server.toml").write_text(settings)
    code, said = go_back("old", tmp_path)
    assert code == 2
    assert "set signatures.policy and signatures.newest_live" in said
    newest = tmp_path / "newest.json"
    settings += f'[signatures]\npolicy = "{tmp_path}/policy.toml"\nnewest_live = "{newest}"\n'
    (tmp_path / "server.toml").write_text(settings)
    code, said = go_back("old", tmp_path)
    assert code == 2
    assert "SIGNATURE_MISSING" in said
    assert go_back("absent", tmp_path)[0] == 2
    assert not newest.exists()
    signer.sign(bundle)
    NewestLive(newest).raise_to(Newest("new", NOW + timedelta(days=1)))
    code, said = go_back("old", tmp_path)
    assert code == 0
    assert "the newest was new of 2026-05-02" in said
    assert json.loads(newest.read_text()) == {
        "model_version": "old", "published_time": "2026-05-01T12:00:00+00:00",
    }  # fmt: skip
