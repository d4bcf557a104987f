"""`kuntur-server evidence`: what it writes, and what it says where it cannot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kuntur.api.v1 import history_service_pb2
from kuntur.bundle.bundle import Registry
from kuntur.journal.entries import RequestKind
from kuntur.journal.sealing import KeyRing
from kuntur.journal.sealing.keys import write_new_key
from kuntur.journal.tail import journal_files
from kuntur.journal.v1 import journal_pb2
from server.cli.app import app
from server.evidence import Evidence, Wanted, collect
from server.settings.config import load_settings
from tests.support.bundles import publish, publish_passing_on
from tests.support.evident import INSTITUTION, KEY, answered, asked, of_bank, sign, write_entries
from tests.support.hostile import sign as sign_bundle
from tests.support.journals import admission, flip
from tests.support.signers import Signer, write_policy

_SCORE = {"transaction_id": "t-1", "fraud_probability": 0.25, "decision": 1, "model_version": "m-1"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "registry"
    publish(folder, "m-1")
    publish(folder, "local", features=("hour", "amount", "log_amount", "account_count_24h"))
    publish_passing_on(folder, "passing-on")
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal with one call that was answered, by no model that there is so far."""
    write_entries(tmp_path / "journal", asked(of_bank(), callers=("spiffe://core",)), answered(1, _SCORE))
    return tmp_path / "journal"


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS", "4096")
        yield


def run(journal: Path, *arguments: object, ids: tuple[str, str] = (INSTITUTION, "t-1")) -> Result:
    options = ["--journal", str(journal), "--out", str(journal.parent / "out"), *map(str, arguments)]
    return CliRunner().invoke(app, ["evidence", *ids, *options])


def refused(result: Result, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("kuntur-server: ")
    assert not result.stdout
    for part in parts:
        assert part in result.stderr


def written(journal: Path) -> Evidence:
    (path,) = (journal.parent / "out").glob("*.json")
    return Evidence.model_validate_json(path.read_bytes())


def rebuilt(journal: Path, registry: Path, **fields: Any) -> dict[str, Any]:
    """Returns the score that the model gives, by what evidence says that it should have been."""
    settings = load_settings(None, {"journal": {"path": journal}, "registry_path": registry})
    found = collect(settings, Wanted(INSTITUTION, "t-1")).rebuilt
    return {"fraud_probability": found.fraud_probability, "decision": found.decision, **fields}


def test_an_answer_that_is_rebuilt_ends_with_0(journal: Path, registry: Path, tmp_path: Path) -> None:
    found = rebuilt(journal, registry)
    right = _SCORE | {"fraud_probability": found["fraud_probability"]}
    assert found["decision"] == "APPROVE"
    write_entries(
        tmp_path / "right" / "journal", asked(of_bank(), callers=("spiffe://core",)), answered(1, right)
    )
    result = run(tmp_path / "right" / "journal", "--registry", registry)
    assert result.exit_code == 0, result.output
    assert "bit for bit" in result.stdout
    evidence = written(tmp_path / "right" / "journal")
    assert evidence.rebuilt.equal is True
    assert evidence.request.caller == "spiffe://core"
    assert evidence.model is not None
    assert evidence.policy is None


def test_an_answer_that_differs_ends_with_1_and_is_written(journal: Path, registry: Path) -> None:
    result = run(journal, "--registry", registry)
    assert result.exit_code == 1
    assert "THE ANSWER DIFFERS in fraud_probability" in result.stdout
    (difference,) = written(journal).rebuilt.differences
    assert (difference.what, difference.answered) == ("fraud_probability", "0.25")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"decision": 3}, "decision"),
        ({"reasons": [{"feature": "amount", "value": 1.0, "contribution": 0.5}]}, "number of reasons"),
    ],
)
def test_every_field_is_compared(tmp_path: Path, registry: Path, changes: dict[str, Any], what: str) -> None:
    journal = tmp_path / "journal"
    write_entries(journal, asked(of_bank()), answered(1, _SCORE | changes))
    assert run(journal, "--registry", registry).exit_code == 1
    assert what in {each.what for each in written(journal).rebuilt.differences}


def test_a_model_that_gives_no_valid_score_now_differs(tmp_path: Path, registry: Path) -> None:
    journal = tmp_path / "journal"
    write_entries(journal, asked(of_bank()), answered(1, _SCORE | {"model_version": "passing-on"}))
    assert run(journal, "--registry", registry).exit_code == 1
    found = written(journal).rebuilt
    assert found.fraud_probability is None
    assert found.differences[0].rebuilt == "the model gives no valid score"


def test_files_are_for_their_owner_alone_and_can_be_written_again(journal: Path) -> None:
    for _ in range(2):
        assert run(journal, "--without-rebuild").exit_code == 0
    files = sorted((journal.parent / "out").iterdir())
    assert [path.suffix for path in files] == [".html", ".json"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_ids_never_lead_out_of_the_folder(tmp_path: Path) -> None:
    ids = ("../../x", "/etc/\x00…")
    journal = tmp_path / "journal"
    write_entries(journal, asked(of_bank(ids[1], institution_id=ids[0])), answered(1, _SCORE))
    assert run(journal, "--without-rebuild", ids=ids).exit_code == 0
    assert {path.name.split("-")[0] for path in (tmp_path / "out").iterdir()} == {"evidence"}


def test_what_is_not_there_is_not_found(journal: Path) -> None:
    refused(run(journal, ids=(INSTITUTION, "t-2")), "no such transaction", "entries 1 to 2", "check both ids")
    refused(run(journal, ids=("", "t-1")), "'banco-andino'", "name that one")
    refused(run(journal.parent / "nowhere"), "there is no journal here", "journal.path")
    result = CliRunner().invoke(app, ["evidence", INSTITUTION, "t-1"])
    refused(result, "name it with --journal")


def test_what_was_refused_or_only_backfilled_has_no_decision(tmp_path: Path) -> None:
    write_entries(tmp_path / "refused", asked(of_bank(), refused=(0,)))
    refused(run(tmp_path / "refused"), "was refused each time", "entry 1")
    request = history_service_pb2.BackfillRequest(transactions=[of_bank()]).SerializeToString()
    write_entries(tmp_path / "backfilled", admission(RequestKind.BACKFILL.value, request))
    refused(run(tmp_path / "backfilled"), "with a backfill alone", "entry 1")


def test_an_entry_of_an_earlier_release_is_told(tmp_path: Path) -> None:
    entry = journal_pb2.Entry()
    entry.score_transaction.request = asked(of_bank()).admission.requests[0]
    write_entries(tmp_path / "journal", entry)
    refused(run(tmp_path / "journal"), "earlier release", "kuntur-trainer replay")


def test_a_model_that_is_gone_is_named(journal: Path) -> None:
    empty = journal.parent / "empty"
    result = run(journal, "--registry", empty)
    refused(result, f"{empty}/m-1", "not in the registry any more", "--registry", "--without-rebuild")
    assert run(journal, "--registry", empty, "--without-rebuild").exit_code == 0
    evidence = written(journal)
    assert evidence.model is None
    assert evidence.rebuilt.equal is None
    assert evidence.answer is not None


def test_a_changed_bundle_is_refused(journal: Path, registry: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(registry, tmp_path / "registry"))
    (copy / "m-1" / "model.onnx").write_bytes(b"another model")
    refused(run(journal, "--registry", copy), "model.onnx has", "as it was published")


def test_settings_that_do_not_fit_are_named(tmp_path: Path, registry: Path) -> None:
    journal = tmp_path / "journal"
    score = _SCORE | {"model_version": "local"}
    write_entries(journal, asked(of_bank()), answered(1, score))
    config = tmp_path / "server.toml"
    config.write_text('[institution]\ntime_zone = "Asia/Tokyo"\n')
    refused(run(journal, "--registry", registry, "--config", config), "'hour'", "time zone", "--config")
    abroad = tmp_path / "abroad"
    write_entries(abroad, asked(of_bank(merchant_country_code="QM")), answered(1, _SCORE))
    refused(run(abroad, "--registry", registry), "merchant_country_code", "--config")
    config.write_text("[institution]\nunknown = 1\n")
    refused(run(journal, "--config", config), "unknown")


def test_a_damaged_journal_is_told_with_its_repair(journal: Path) -> None:
    write_entries(journal, asked(of_bank("t-9")))
    (path, *_) = journal_files(journal)
    flip(path, 8 * (path.stat().st_size - 30))
    refused(run(journal, "--without-rebuild"), str(path), "journal repair")


def test_an_encrypted_journal_needs_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_new_key(tmp_path / "keys" / "1.key")
    keys = KeyRing.read(tmp_path / "keys")
    write_entries(tmp_path / "journal", asked(of_bank()), answered(1, _SCORE), keys=keys)
    refused(run(tmp_path / "journal", "--without-rebuild"), "journal.encryption.keys")
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__ENCRYPTION__KEYS", str(tmp_path / "keys"))
    assert run(tmp_path / "journal", "--without-rebuild").exit_code == 0


def test_signers_are_named_and_an_ended_key_is_no_reason_to_stop(journal: Path, tmp_path: Path) -> None:
    signer = Signer(tmp_path / "signers", "trainer")
    sign_bundle(publish(tmp_path / "registry", "m-1"), signer)
    policy = write_policy(tmp_path / "policy.toml", [signer], 1)
    config = tmp_path / "server.toml"
    config.write_text(f'[signatures]\npolicy = "{policy}"\n')
    assert run(journal, "--registry", tmp_path / "registry", "--config", config).exit_code == 1
    model = written(journal).model
    assert model is not None
    assert (model.signature.checked, model.signature.signers) == (True, ("trainer",))
    write_policy(policy, [signer], 1, {"trainer": date(2020, 1, 1)})
    assert run(journal, "--registry", tmp_path / "registry", "--config", config).exit_code == 1
    model = written(journal).model
    assert model is not None
    assert (model.signature.checked, model.signature.signers) == (True, ())
    assert "ended on 2020-01-01" in model.signature.told
    write_policy(policy, [Signer(tmp_path / "signers", "stranger")], 1)
    refused(run(journal, "--registry", tmp_path / "registry", "--config", config), "SIGNATURE_KEY_UNKNOWN")


def test_a_journal_that_is_not_signed_says_so(journal: Path) -> None:
    assert run(journal, "--without-rebuild").exit_code == 0
    evidence = written(journal)
    assert evidence.checkpoint is None
    assert "is not signed" in evidence.proof
    assert not list((journal.parent / "out").glob("*.py"))


def test_what_is_not_signed_yet_says_so(journal: Path) -> None:
    log = sign(journal, size=1)
    assert run(journal, "--without-rebuild", "--tree", log).exit_code == 0
    assert "Entry 2 is not signed yet: the newest checkpoint reaches to entry 1" in written(journal).proof
    (log / "checkpoint").unlink()
    assert run(journal, "--without-rebuild").exit_code == 0
    assert "there is no checkpoint" in written(journal).proof


def test_a_signed_journal_is_proved(journal: Path) -> None:
    sign(journal)
    assert run(journal, "--without-rebuild", "--key", KEY.verifier).exit_code == 0
    evidence = written(journal)
    assert evidence.checkpoint is not None
    assert all(entry.path is not None and len(entry.tlog_proof or "") <= 4096 for entry in evidence.entries)
    assert "was checked with the key" in evidence.proof


def test_a_log_that_contradicts_the_journal_gives_no_evidence(journal: Path, tmp_path: Path) -> None:
    log = sign(journal)
    other = tmp_path / "other"
    write_entries(other, asked(of_bank()), answered(1, _SCORE | {"fraud_probability": 0.5}))
    refused(
        run(other, "--without-rebuild", "--tree", log), "is not the one that was signed", "journal verify"
    )
    refused(run(journal, "--without-rebuild", "--key", f"{KEY.verifier}x"), "--key", "Base64")
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("other.example/log+aa\n")
    refused(run(journal, "--without-rebuild", "--key", wrong), "wrong.txt, line 1")
    (log / "checkpoint").write_text("nothing")
    refused(run(journal, "--without-rebuild"), "nothing is proved by")


def test_a_folder_that_cannot_be_written_is_named(journal: Path) -> None:
    (journal.parent / "out").symlink_to("/proc/self")  # where not even root makes a file
    refused(run(journal, "--without-rebuild"), "out")


def test_a_file_in_place_of_the_folder_is_named(journal: Path) -> None:
    (journal.parent / "out").write_text("")
    refused(run(journal, "--without-rebuild"), "out")


def test_the_answer_may_be_missing(tmp_path: Path, registry: Path) -> None:
    journal = tmp_path / "journal"
    write_entries(journal, asked(of_bank()), answered(1, None))
    assert run(journal, "--registry", registry).exit_code == 0
    evidence = written(journal)
    assert evidence.answer is None
    assert evidence.features
    assert evidence.rebuilt.told == "There is no answer to rebuild."


def test_of_two_with_one_id_it_is_the_first(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    write_entries(
        journal,
        asked(of_bank("t-0"), of_bank(), of_bank("t-1", institution_id="other"), refused=(0,)),
        asked(of_bank(amount_minor=5)),
        answered(2, None),
        asked(of_bank()),
        answered(4, _SCORE),
        asked(of_bank()),
        answered(6, _SCORE | {"replayed": True}),
        asked(of_bank()),
        answered(8, _SCORE | {"decision": 2}),
        asked(of_bank()),
    )
    assert run(journal, "--without-rebuild").exit_code == 0
    evidence = written(journal)
    assert (evidence.request.entry, evidence.request.place) == (1, 1)
    assert evidence.answer is not None
    assert (evidence.answer.entry, evidence.answer.admission) == (5, 4)
    assert [each.became.split(":")[0] for each in evidence.again] == [
        "It was another transaction with the same id, and was refused as such.",
        "It got the answer above, the first one.",
        "It got the first answer again.",
        "The server did not know it any more and scored it anew",
        "No answer to it is in the journal.",
    ]


def test_of_calls_that_came_together_each_has_its_own_row(tmp_path: Path, registry: Path) -> None:
    journal = tmp_path / "journal"
    sent = [of_bank(f"t-{number}", amount_minor=100 * (number + 1)) for number in range(6)]
    callers = tuple(f"token:{number}" for number in range(6))
    write_entries(journal, asked(*sent, callers=callers, refused=(1, 3)))
    for number in (0, 2, 4, 5):
        assert run(journal, "--registry", registry, ids=(INSTITUTION, f"t-{number}")).exit_code == 0
        (path,) = (tmp_path / "out").glob(f"*t-{number}-*.json")
        evidence = Evidence.model_validate_json(path.read_bytes())
        values = {each.name: each.value for each in evidence.features}
        assert values["amount"] == number + 1
        assert values["account_count_24h"] == [0, 2, 4, 5].index(number)
        assert (evidence.request.caller, evidence.request.place) == (f"token:{number}", number)


def test_a_journal_whose_beginning_is_gone_says_so(tmp_path: Path, registry: Path) -> None:
    journal = tmp_path / "journal"
    write_entries(journal, asked(of_bank("t-0")))
    write_entries(journal, asked(of_bank()), answered(2, _SCORE))
    journal_files(journal)[0].unlink()
    assert run(journal, "--registry", registry).exit_code == 1
    assert "begins with entry 2" in written(journal).rebuilt.caveats[0]


def test_the_form_is_that_of_its_schema(journal: Path) -> None:
    run(journal, "--without-rebuild")
    (path,) = (journal.parent / "out").glob("*.json")
    document = json.loads(path.read_bytes())
    schema = Evidence.model_json_schema()
    assert set(document) == set(schema["properties"])
    assert set(schema["required"]) | {"form", "policy"} == set(document)
    for name in ("request", "answer", "rebuilt"):
        assert document[name] is not None
    for entry in document["entries"]:
        assert set(entry) == set(schema["$defs"]["Entry"]["properties"])


def test_help_says_what_it_takes() -> None:
    result = CliRunner().invoke(app, ["evidence", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    for option in ("--journal", "--registry", "--config", "--tree", "--out", "--key", "--without-rebuild"):
        assert option in result.stdout


def test_the_live_model_does_not_matter(journal: Path, registry: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(registry, tmp_path / "registry"))
    Registry(copy).set_live("passing-on")
    run(journal, "--registry", copy)
    model = written(journal).model
    assert model is not None
    assert model.model_version == "m-1"
