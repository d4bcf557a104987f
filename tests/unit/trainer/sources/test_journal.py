from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2

from kuntur.api.v1 import (
    history_service_pb2,
    outcome_pb2,
    outcome_service_pb2,
    scoring_service_pb2,
    transaction_pb2,
)
from kuntur.features import FEATURE_NAMES
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.journal.exchanges.messages import KINDS, refused_places
from kuntur.journal.file import CorruptJournalError, JournalFileWriter, JournalKeyError, journal_files
from kuntur.journal.repair import repair
from kuntur.journal.sealing import KeyRing, write_new_key
from kuntur.journal.v1 import journal_pb2
from kuntur.tables import canonical_schema
from tests.support.journals import admission, answer, append, flip
from trainer.dataset.history import replay
from trainer.progress import Silent
from trainer.settings.config import TrainerSettings
from trainer.settings.data import DataSettings
from trainer.sources.journal import read_journal
from trainer.sources.labels import known_at
from trainer.sources.quality import quality_profile
from trainer.sources.source import just_after_last, read_source
from trainer.sources.split import TooLittleHistoryError

Written = Callable[..., Path]
NOON = 1_704_110_400  # 2024-01-01T12:00:00Z
FRAUD, LEGITIMATE = outcome_pb2.OUTCOME_LABEL_FRAUD, outcome_pb2.OUTCOME_LABEL_LEGITIMATE


def transaction(number: int, **changes: object) -> transaction_pb2.Transaction:
    fields: dict[str, object] = {
        "transaction_id": f"t{number}",
        "institution_id": "bank",
        "event_time": Timestamp(seconds=NOON + number, nanos=123_456_789),
        "account_id": f"a{number % 3}",
        "amount_minor": 1_000 + number,
        "currency_code": "PEN",
        "type": transaction_pb2.TRANSACTION_TYPE_PURCHASE,
    }
    return transaction_pb2.Transaction(**(fields | changes))


def frame(*transactions: transaction_pb2.Transaction) -> bytes:
    raw: bytes = scoring_service_pb2.ScoreStreamRequest(transactions=transactions).SerializeToString()
    return raw


def scored(one: transaction_pb2.Transaction) -> journal_pb2.Entry:
    request = scoring_service_pb2.ScoreTransactionRequest(transaction=one)
    return journal_pb2.Entry(score_transaction=journal_pb2.Exchange(request=request.SerializeToString()))


def streamed(
    transactions: list[transaction_pb2.Transaction], failed: tuple[int, ...] = ()
) -> journal_pb2.Entry:
    response = scoring_service_pb2.ScoreStreamResponse()
    for place, one in enumerate(transactions):
        result = response.results.add()
        if place in failed:
            result.status.CopyFrom(status_pb2.Status(code=3))
        else:
            result.score.transaction_id = one.transaction_id
    exchange = journal_pb2.Exchange(request=frame(*transactions), response=response.SerializeToString())
    return journal_pb2.Entry(score_stream=exchange)


def backfilled(
    *transactions: transaction_pb2.Transaction, refused: tuple[int, ...] = ()
) -> journal_pb2.Entry:
    failures = [history_service_pb2.BackfillFailure(index=place) for place in refused]
    response = history_service_pb2.BackfillResponse(failures=failures).SerializeToString()
    return journal_pb2.Entry(backfill=journal_pb2.Exchange(request=frame(*transactions), response=response))


def reported(*outcomes: tuple[str, int, int], refused: tuple[int, ...] = ()) -> journal_pb2.Entry:
    """Outcomes as (transaction id, label, seconds after noon)."""
    request = outcome_service_pb2.ReportOutcomesRequest(
        outcomes=[
            outcome_pb2.Outcome(
                transaction_id=name,
                institution_id="bank",
                label=label,
                reported_time=Timestamp(seconds=NOON + after),
            )
            for name, label, after in outcomes
        ]
    )
    response = outcome_service_pb2.ReportOutcomesResponse(accepted_count=len(outcomes) - len(refused))
    for place in refused:
        response.failures.add(index=place, status=status_pb2.Status(code=9))
    exchange = journal_pb2.Exchange(
        request=request.SerializeToString(), response=response.SerializeToString()
    )
    return journal_pb2.Entry(report_outcomes=exchange)


def written_as_before(directory: Path, *entries: journal_pb2.Entry) -> Path:
    writer = JournalFileWriter(directory)
    append(writer, entries)
    writer.close()
    return directory


def written_as_admissions(directory: Path, *entries: journal_pb2.Entry) -> Path:
    """Writes the same as admissions, and behind all of them their answers, but to backfills."""
    admissions, answers = [], []
    for number, each in enumerate(entries, 1):
        field = str(each.WhichOneof("exchange"))
        said: journal_pb2.Exchange = getattr(each, field)
        refused = refused_places(KINDS[field], said.response)
        admissions.append(admission(KINDS[field], said.request, refused=refused))
        if field != "backfill":
            answers.append(answer(number, said.response))
    return written_as_before(directory, *admissions, *answers)


@pytest.fixture(params=[written_as_before, written_as_admissions])
def written(request: pytest.FixtureRequest) -> Written:
    """Writes entries, of the kinds of earlier versions or what is written instead of them today."""
    found: Written = request.param
    return found


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, tz=UTC)


def labels(directory: Path, until: int = 1_000) -> dict[str, tuple[bool | None, datetime | None]]:
    table = known_at(read_journal(directory), moment(until)).frame
    return {
        name: (fraud, time)
        for name, fraud, time in table.select("transaction_id", "is_fraud", "reported_time").iter_rows()
    }


def test_every_field_of_a_transaction_comes_back(written: Written, tmp_path: Path) -> None:
    full = transaction(
        1,
        channel=transaction_pb2.CHANNEL_ECOMMERCE,
        account_type=transaction_pb2.ACCOUNT_TYPE_SAVINGS,
        account_balance_minor=-5,
        account_age_days=0,
        counterparty_account_id="c",
        merchant_id="m",
        merchant_category_code="5411",
        merchant_country_code="PE",
        merchant_latitude=-12.05,
        merchant_longitude=0.0,
        device_id="d",
        ip_address="10.0.0.1",
        attributes={"risk_band": 2.5},
    )
    found = read_journal(written(tmp_path, scored(full))).frame
    assert found.schema == pl.Schema(canonical_schema(("risk_band",)))
    assert found.row(0, named=True) == {
        "transaction_id": "t1",
        "institution_id": "bank",
        "event_time": datetime(2024, 1, 1, 12, 0, 1, 123_456, tzinfo=UTC),
        "account_id": "a1",
        "amount_minor": 1001,
        "currency_code": "PEN",
        "type": 1,
        "channel": 2,
        "account_type": 1,
        "account_balance_minor": -5,
        "account_age_days": 0,
        "counterparty_account_id": "c",
        "merchant_id": "m",
        "merchant_category_code": "5411",
        "merchant_country_code": "PE",
        "merchant_latitude": -12.05,
        "merchant_longitude": 0.0,
        "device_id": "d",
        "ip_address": "10.0.0.1",
        "attribute.risk_band": 2.5,
        "is_fraud": None,
        "reported_time": None,
        "source_row": 0,
    }


def test_what_was_not_given_is_null_and_not_zero(written: Written, tmp_path: Path) -> None:
    found = read_journal(written(tmp_path, scored(transaction(1)))).frame.row(0, named=True)
    unset = ("account_balance_minor", "account_age_days", "merchant_latitude", "merchant_longitude")
    assert [found[name] for name in unset] == [None] * 4


def test_attributes_of_some_transactions_are_null_in_the_others(written: Written, tmp_path: Path) -> None:
    given = [transaction(1, attributes={"b": 1.0}), transaction(2), transaction(3, attributes={"a": 2.0})]
    table = read_journal(written(tmp_path, streamed(given)))
    assert table.attributes == ("a", "b")
    assert table.frame["attribute.a"].to_list() == [None, None, 2.0]
    assert table.frame["attribute.b"].to_list() == [1.0, None, None]


def test_each_kind_of_entry_gives_the_transactions_that_entered_the_history(
    written: Written, tmp_path: Path
) -> None:
    broken = transaction(6, currency_code="pen")
    written(
        tmp_path,
        backfilled(transaction(1), broken, transaction(2), refused=(1,)),
        scored(transaction(3)),
        streamed([transaction(4), transaction(5, amount_minor=-1), transaction(7)], failed=(1,)),
        backfilled(broken, refused=(0,)),
    )
    found = read_journal(tmp_path).frame
    assert found["transaction_id"].to_list() == ["t1", "t2", "t3", "t4", "t7"]
    assert found["amount_minor"].to_list() == [1001, 1002, 1003, 1004, 1007]


def test_a_transaction_that_came_again_counts_once_as_it_came_first(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        scored(transaction(1, amount_minor=10)),
        streamed([transaction(1, amount_minor=20), transaction(2)]),
        backfilled(transaction(2, amount_minor=30)),
        scored(transaction(1, amount_minor=40, institution_id="other")),
    )
    found = read_journal(tmp_path).frame.sort("institution_id", "transaction_id")
    assert found["transaction_id"].to_list() == ["t1", "t2", "t1"]
    assert found["amount_minor"].to_list() == [10, 1002, 40]


def test_rows_are_in_event_order_and_equal_times_in_the_order_they_came(
    written: Written, tmp_path: Path
) -> None:
    same = transaction(5).event_time
    given = [transaction(9), transaction(1, event_time=same), transaction(0, event_time=same), transaction(2)]
    found = read_journal(written(tmp_path, streamed(given))).frame
    assert found["transaction_id"].to_list() == ["t2", "t1", "t0", "t9"]


def test_outcomes_are_joined_with_the_time_of_their_report(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        reported(("t9", FRAUD, 1)),  # before its transaction was journalled, as after a restore
        streamed([transaction(1), transaction(2), transaction(3), transaction(9)]),
        reported(("t1", FRAUD, 100), ("t2", LEGITIMATE, 200), ("absent", FRAUD, 300)),
    )
    assert labels(tmp_path) == {
        "t1": (True, moment(100)),
        "t2": (False, moment(200)),
        "t3": (None, None),
        "t9": (True, moment(1)),
    }


def test_a_correction_replaces_the_outcome_and_its_time(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        scored(transaction(1)),
        reported(("t1", FRAUD, 100)),
        reported(("t1", LEGITIMATE, 300)),
    )
    assert labels(tmp_path) == {"t1": (False, moment(300))}


def test_a_correction_reported_later_leaves_the_outcome_that_was_known(
    written: Written, tmp_path: Path
) -> None:
    written(
        tmp_path,
        scored(transaction(1)),
        reported(("t1", FRAUD, 100)),
        reported(("t1", LEGITIMATE, 300)),
    )
    assert labels(tmp_path, until=299) == {"t1": (True, moment(100))}
    assert labels(tmp_path, until=300) == {"t1": (False, moment(300))}
    assert labels(tmp_path, until=99) == {"t1": (None, None)}


def test_without_a_bound_outcomes_count_until_the_last_transaction(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        streamed([transaction(1), transaction(50)]),
        reported(("t1", FRAUD, 49)),
        reported(("t1", LEGITIMATE, 51)),
    )
    table = read_journal(tmp_path)
    found = known_at(table, just_after_last(table.frame)).frame
    assert found["is_fraud"].to_list() == [True, None]


def test_every_outcome_that_was_taken_is_kept_beside_the_last(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        scored(transaction(1)),
        reported(("t1", LEGITIMATE, 300), ("absent", FRAUD, 50)),
        reported(("t1", FRAUD, 100)),
    )
    outcomes = read_journal(tmp_path).outcomes
    assert outcomes is not None
    assert outcomes.select("transaction_id", "is_fraud", "reported_time").rows() == [
        ("t1", True, moment(100)),
        ("t1", False, moment(300)),
    ]


def test_an_outcome_reported_again_keeps_the_time_of_its_first_report(
    written: Written, tmp_path: Path
) -> None:
    written(tmp_path, scored(transaction(1)), reported(("t1", FRAUD, 100)), reported(("t1", FRAUD, 300)))
    assert labels(tmp_path) == {"t1": (True, moment(100))}


def test_an_outcome_that_the_server_refused_is_no_label(written: Written, tmp_path: Path) -> None:
    written(
        tmp_path,
        streamed([transaction(1), transaction(2)]),
        reported(("t1", FRAUD, -50), ("t2", FRAUD, 60), refused=(0,)),
    )
    assert labels(tmp_path) == {"t1": (None, None), "t2": (True, moment(60))}


def test_since_and_until_bound_event_times(written: Written, tmp_path: Path) -> None:
    written(tmp_path, streamed([transaction(n) for n in range(1, 6)]))
    cut = read_journal(tmp_path, since=moment(2), until=moment(4)).frame
    assert cut["transaction_id"].to_list() == ["t2", "t3"]


class Notes(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def test_a_torn_tail_is_taken_for_the_end_and_told(tmp_path: Path) -> None:
    written_as_before(tmp_path, scored(transaction(1)), scored(transaction(2)), scored(transaction(3)))
    (path,) = journal_files(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    notes = Notes()
    source = read_source(TrainerSettings(data=DataSettings(journal=tmp_path)), notes)
    assert source.table.frame["transaction_id"].to_list() == ["t1", "t2"]
    (loss,) = source.losses
    assert loss.offset + loss.size == len(whole) - 3
    where = f"{loss.size} bytes from byte {loss.offset} on"
    cause = "the file ends within a record"
    assert notes.texts[0] == f"Warning: {path}: {where} are no entries and were not read: {cause}"
    (lost,) = quality_profile(source.table, source.losses)["lost"]
    assert lost == {
        "file": str(path),
        "byte": loss.offset,
        "bytes": loss.size,
        "entries": 0,
        "cause": cause,
    }


def test_an_encrypted_journal_is_read_with_its_keys(tmp_path: Path) -> None:
    write_new_key(tmp_path / "keys" / "1.key")
    writer = JournalFileWriter(tmp_path / "journal", keys=KeyRing.read(tmp_path / "keys"))
    append(writer, [scored(transaction(1))])
    writer.close()
    data = DataSettings(journal=tmp_path / "journal", journal_keys=tmp_path / "keys")
    source = read_source(TrainerSettings(data=data), Silent())
    assert source.table.frame["transaction_id"].to_list() == ["t1"]
    with pytest.raises(JournalKeyError, match=r"data\.journal_keys of the trainer"):
        read_source(TrainerSettings(data=DataSettings(journal=tmp_path / "journal")), Silent())


def test_entries_that_a_repair_went_on_without_are_told(tmp_path: Path) -> None:
    written_as_before(tmp_path / "worker-0", *(scored(transaction(number)) for number in (1, 2, 3)))
    (path,) = journal_files(tmp_path / "worker-0")
    flip(path, 8 * 41)  # in the length of the first record
    with pytest.raises(CorruptJournalError, match="kuntur-server journal repair"):
        read_journal(tmp_path)
    repair(tmp_path / "worker-0")
    notes = Notes()
    source = read_source(TrainerSettings(data=DataSettings(journal=tmp_path)), notes)
    assert source.table.frame["transaction_id"].to_list() == ["t2", "t3"]
    assert notes.texts[0].startswith(f"Warning: {path}: 1 entry in front of it is lost")
    assert quality_profile(source.table, source.losses)["lost"][0]["entries"] == 1


def test_damage_elsewhere_is_told(tmp_path: Path) -> None:
    written_as_before(tmp_path, scored(transaction(1)), scored(transaction(2)))
    (path,) = journal_files(tmp_path)
    flip(path, 8 * 60)
    with pytest.raises(CorruptJournalError):
        read_journal(tmp_path)


@pytest.mark.parametrize("entries", [(), (reported(("t1", FRAUD, 1)),)])
def test_a_journal_without_transactions_is_too_little_history(
    written: Written, tmp_path: Path, entries: tuple[journal_pb2.Entry, ...]
) -> None:
    written(tmp_path, *entries)
    with pytest.raises(TooLittleHistoryError, match="holds no transaction"):
        read_journal(tmp_path)


def test_features_are_those_of_the_order_in_which_a_server_had_the_transactions(
    written: Written, tmp_path: Path
) -> None:
    minutes = {1: 0, 2: 20, 3: 10, 4: 30}  # the third came late
    given = [
        transaction(number, event_time=Timestamp(seconds=NOON + 60 * at), merchant_id="m")
        for number, at in minutes.items()
    ]
    written(tmp_path, *map(scored, given))
    replayed = replay(read_journal(tmp_path), secret_from_hex(DEFAULT_HASH_KEY))
    counts = replayed.features[:, FEATURE_NAMES.index("merchant_count_1h")]
    seen = dict(zip(replayed.ids["transaction_id"], counts.tolist(), strict=True))
    assert seen == {"t1": 0, "t3": 1, "t2": 1, "t4": 3}
