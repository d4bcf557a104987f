"""Evidence of what a real server answered: rebuilt, every score and reason is the one that was given."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kuntur.api.v1 import (
    history_service_pb2,
    outcome_pb2,
    outcome_service_pb2,
    score_pb2,
    scoring_service_pb2,
    transaction_pb2,
)
from kuntur.journal.entries import RequestKind, admission
from kuntur.journal.v1 import journal_pb2
from kuntur.transparency.notes.keys import VerifierKey
from kuntur.transparency.notes.proof import TlogProof
from kuntur.transparency.tree.hashing import leaf_hash
from server.evidence import Wanted, collect, write_files
from server.evidence.modelling import load_answering
from server.evidence.rebuilding import compared, restore, score_again
from server.evidence.search import search
from server.settings.config import ServerSettings
from tests.support.evident import INSTITUTION, KEY, WITNESS, sign, write_entries
from tests.support.explained import publish_explained
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import (
    EVENT_TIME,
    RunningServer,
    frame,
    running_server,
    settings_for,
    stubs_for,
    transaction,
    unary,
    wait_until,
)

COUNT = 300
_ALL = score_pb2.REASONS_MODE_ALL


@dataclass
class Told:
    """What a server was asked and answered."""

    settings: ServerSettings
    scores: dict[str, score_pb2.Score]

    def of(self, transaction_id: str, **changes: Any) -> Any:
        return collect(self.settings, Wanted(INSTITUTION, transaction_id, **changes))


def made(number: int) -> transaction_pb2.Transaction:
    chance = random.Random(number)
    attributes = {"risk_band": chance.uniform(-4, 6)} if number % 3 else {}
    return transaction(
        f"t-{number}",
        institution_id=INSTITUTION,
        account_id=f"a-{chance.randrange(7)}",
        merchant_id=f"m-{chance.randrange(5)}",
        device_id=f"d-{chance.randrange(9)}",
        amount_minor=chance.randrange(100, 2_000_000),
        event_time=EVENT_TIME + timedelta(minutes=11 * number),
        attributes=attributes,
    )


def frames(
    stubs: Any, sent: list[transaction_pb2.Transaction], size: int, mode: int = 0
) -> list[score_pb2.Score]:
    requests = [frame(*sent[at : at + size]) for at in range(0, len(sent), size)]
    for each in requests:
        each.reasons_mode = mode  # type: ignore[assignment]
    answers = stubs.scoring.ScoreStream(iter(requests))
    return [result.score for answer in answers for result in answer.results]


def together(stubs: Any, sent: list[transaction_pb2.Transaction], mode: int = 0) -> list[score_pb2.Score]:
    """Scores in calls that are all in flight, so that the server takes several at a time."""
    requests = [scoring_service_pb2.ScoreTransactionRequest(transaction=each) for each in sent]
    for each in requests:
        each.reasons_mode = mode  # type: ignore[assignment]
    calls = [stubs.scoring.ScoreTransaction.future(each) for each in requests]
    return [call.result().score for call in calls]


def reported(stubs: Any, *numbers: int) -> None:
    outcomes = [
        outcome_pb2.Outcome(
            transaction_id=f"t-{number}",
            institution_id=INSTITUTION,
            label=outcome_pb2.OUTCOME_LABEL_FRAUD if number % 2 else outcome_pb2.OUTCOME_LABEL_LEGITIMATE,
        )
        for number in numbers
    ]
    for each in outcomes:
        each.reported_time.FromDatetime(EVENT_TIME + timedelta(days=2))
    stubs.outcomes.ReportOutcomes(outcome_service_pb2.ReportOutcomesRequest(outcomes=outcomes))


def first_half(server: RunningServer) -> list[score_pb2.Score]:
    stubs = server.stubs
    backfilled = [made(number) for number in range(1000, 1030)] + [made(5)]
    stubs.history.Backfill(iter([history_service_pb2.BackfillRequest(transactions=backfilled)]))
    scores = [stubs.scoring.ScoreTransaction(unary(made(number))).score for number in range(20)]
    scores += together(stubs, [made(number) for number in range(20, 60)])
    reported(stubs, 3, 5, 33)
    scores += frames(stubs, [made(number) for number in range(60, 110)], 8, _ALL)
    again = frames(stubs, [made(number) for number in (1, 61, 110, 3, 111)], 5)
    assert [score.replayed for score in again] == [True, True, False, True, False]
    scores += [again[2], again[4]]
    reported(stubs, 3, 61)
    return scores + together(stubs, [made(number) for number in range(112, 150)], _ALL)


def second_half(server: RunningServer) -> list[score_pb2.Score]:
    stubs = server.stubs
    scores = frames(stubs, [made(number) for number in range(150, 250)], 16)
    reported(stubs, 151, 3)
    scores += together(stubs, [made(number) for number in range(250, COUNT)])
    assert stubs.scoring.ScoreTransaction(unary(made(7))).score.replayed
    return scores


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A server that is stopped and started, under two models, and whose journal is signed then."""
    folder = tmp_path_factory.mktemp("told")
    publish_explained(folder / "registry", "m-1", "xgboost")
    scores: list[score_pb2.Score] = []
    for version, half in (("m-1", first_half), ("m-2", second_half)):
        if version == "m-2":
            publish_explained(folder / "registry", version, "random_forest")
        with running_server(folder / "registry", journal={"path": folder / "journal"}) as server:
            server.wait_until_live(version)
            scores += half(server)
    sign(folder / "journal", witnessed=True)
    settings = settings_for(folder / "registry", journal={"path": folder / "journal"})
    return Told(settings, {score.transaction_id: score for score in scores})


def test_every_answer_is_rebuilt_bit_for_bit(told: Told) -> None:
    directory = told.settings.journal.path
    assert directory is not None
    models = {version: load_answering(told.settings, version) for version in ("m-1", "m-2")}
    kinds = set()
    for transaction_id, score in told.scores.items():
        found = search(directory, INSTITUTION, transaction_id, None, lambda *_: None)
        given = found.answer
        assert given is not None
        assert given.score == score
        restored = restore(directory, told.settings, given.admission, given.place, None, lambda *_: None)
        scores = score_again(restored, models[score.model_version].live, given.score, 5)
        reasons, differences = compared(given.score, scores, restored.row, given.response_bytes)
        assert differences == ()
        assert len(reasons) == len(score.reasons)
        kinds.add((found.entered().kind, bool(reasons)))
    assert len(told.scores) == COUNT
    assert kinds == {
        (kind, reasons)
        for kind in (RequestKind.SCORE_TRANSACTION, RequestKind.SCORE_STREAM)
        for reasons in (True, False)
    }


def test_all_of_one_decision_is_in_its_evidence(told: Told, tmp_path: Path) -> None:
    evidence = told.of("t-3", verifiers=[KEY.verifier])
    assert evidence.rebuilt.equal is True
    assert evidence.request.transaction["amount_minor"] == made(3).amount_minor
    assert evidence.answer.fraud_probability == told.scores["t-3"].fraud_probability
    assert [each.label for each in evidence.outcomes] == ["FRAUD"] * 3
    assert [each.became for each in evidence.again] == ["It got the first answer again."]
    assert evidence.model.model_version == "m-1"
    assert {each.name for each in evidence.features if each.used} == {
        "amount", "log_amount", "account_count_24h", "attribute.risk_band",
    }  # fmt: skip
    for entry in evidence.entries:
        assert len(entry.tlog_proof.encode()) <= 4096
        proof = TlogProof.parse(entry.tlog_proof.encode())
        proof.check(bytes.fromhex(entry.leaf_hash), [KEY.verifier], [WITNESS.verifier], 1)
    for path in write_files(evidence, tmp_path / "out"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700
    assert verified(tmp_path / "out", KEY.verifier, WITNESS.verifier) == (0, "")
    assert verified(tmp_path / "out", WITNESS.verifier)[0] == 1


def verified(folder: Path, *keys: VerifierKey) -> tuple[int, str]:
    """Runs the verifier that lies beside evidence."""
    (name,) = (path.name for path in folder.glob("evidence-*.json"))
    command = [sys.executable, "-I", "verify_evidence.py", name, *map(str, keys)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_what_was_backfilled_before_is_rebuilt_too(told: Told) -> None:
    evidence = told.of("t-5")
    assert evidence.rebuilt.equal is True
    assert evidence.request.method == "ScoreTransaction"


def test_a_transaction_of_a_frame_has_its_place(told: Told) -> None:
    evidence = told.of("t-77")
    asked = evidence.request
    assert (asked.method, asked.reasons_mode) == ("ScoreStream", "REASONS_MODE_ALL")
    assert asked.transactions_in_entry > asked.place > 0
    assert evidence.rebuilt.equal is True
    assert evidence.answer.reasons


def test_another_history_differs_and_says_in_what(told: Told) -> None:
    journal = {"path": told.settings.journal.path}
    small = settings_for(told.settings.registry_path, journal=journal, history={"max_accounts": 1})
    evidence = collect(small, Wanted(INSTITUTION, "t-100"))
    assert evidence.rebuilt.equal is False
    assert evidence.rebuilt.differences
    assert "DIFFERS" in evidence.rebuilt.told
    wrong = dict(told.scores["t-100"].DESCRIPTOR.fields_by_name)
    assert {each.what.split("[")[0] for each in evidence.rebuilt.differences} <= {*wrong, "number of reasons"}


def test_a_request_whose_server_died_has_the_answer_that_it_got_later(tmp_path: Path) -> None:
    publish_explained(tmp_path / "registry", "m-1", "xgboost")
    journal = {"path": tmp_path / "journal"}
    lost = made(7)
    with running_server(tmp_path / "registry", journal=journal) as server:
        server.wait_until_live("m-1")
        for number in range(5):
            server.stubs.scoring.ScoreTransaction(unary(made(number)))
    raw = admission(RequestKind.SCORE_TRANSACTION, [unary(lost).SerializeToString()])
    write_entries(tmp_path / "journal", journal_pb2.Entry.FromString(raw))
    settings = settings_for(tmp_path / "registry", journal=journal)
    evidence = collect(settings, Wanted(INSTITUTION, "t-7"))
    assert evidence.answer is None
    assert len(evidence.features) > 100
    assert "No answer is in the journal" in evidence.summary[1]
    with running_server(tmp_path / "registry", journal=journal) as server:
        server.wait_until_live("m-1")
        more = [made(number) for number in range(10, 20)]
        for each in more:
            each.account_id = lost.account_id  # what is counted meanwhile changes nothing of it
            server.stubs.scoring.ScoreTransaction(unary(each))
        scores = frames(server.stubs, [made(30), lost, made(31)], 3)
    evidence = collect(settings, Wanted(INSTITUTION, "t-7"))
    assert evidence.answer is not None
    assert evidence.answer.fraud_probability == scores[1].fraud_probability
    assert evidence.answer.admission > evidence.request.entry
    assert evidence.rebuilt.equal is True
    assert [each.role for each in evidence.entries] == [
        "the request",
        "the request that was answered",
        "the answer",
    ]
    assert any("was not answered" in line for line in evidence.summary)


def test_two_workers_under_load(tmp_path: Path) -> None:
    publish_explained(tmp_path / "registry", "m-1", "xgboost")
    arguments = ("--registry", str(tmp_path / "registry"), "--journal", str(tmp_path / "journal"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUNTUR_SERVER_HISTORY__RECENT_TRANSACTIONS", "4096")
        process = ServerProcess(*arguments, workers=2)
    scores: list[score_pb2.Score] = []
    with process:
        wait_until(lambda: process.wrote("server started", '"workers"'))
        with stubs_for(process.address) as one, stubs_for(process.address) as other:
            for start in range(0, 80, 20):
                sent = [made(number) for number in range(start, start + 20)]
                calls = [
                    stubs.scoring.ScoreTransaction.future(unary(each), wait_for_ready=True)
                    for each in sent
                    for stubs in (one, other)  # twins: one of them is answered first
                ]
                scores += [score for call in calls if not (score := call.result().score).replayed]
        assert process.end() == 0
    assert len(scores) == 80
    settings = settings_for(tmp_path / "registry", journal={"path": tmp_path / "journal"})
    for score in random.Random(1).sample(scores, 12):
        evidence = collect(settings, Wanted(INSTITUTION, score.transaction_id))
        assert evidence.rebuilt.equal is True
        assert evidence.answer is not None
        assert evidence.answer.fraud_probability == score.fraud_probability


def test_the_files_say_the_same(told: Told, tmp_path: Path) -> None:
    evidence = told.of("t-260")
    written = write_files(evidence, tmp_path)
    assert type(evidence).model_validate_json(written[0].read_bytes()) == evidence
    document = json.loads(written[0].read_bytes())
    assert document["answer"]["model_version"] == "m-2"
    assert leaf_hash(b"") != bytes.fromhex(document["entries"][0]["leaf_hash"])
    page = written[1].read_text("utf-8")
    assert repr(told.scores["t-260"].fraud_probability) in page
