from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from clients.cli.app import app
from kuntur.api.v1 import model_pb2
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.test_messages import canonical_frame, transaction

TEN = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def run(server: FakeServer | str, *arguments: object) -> Result:
    address = server if isinstance(server, str) else server.address
    environment = {"KUNTUR_SERVER": address, "COLUMNS": "200", "TERM": "dumb"}
    return CliRunner().invoke(app, [str(each) for each in arguments], env=environment)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Rows t-0 ... t-59, one each ten minutes from ten o'clock, each reported 95 minutes later."""
    times = [TEN + timedelta(minutes=10 * number) for number in range(60)]
    rows = [transaction(number, time) for number, time in enumerate(times)]
    reported = {
        f"t-{number}": (number % 7 == 0, time + timedelta(minutes=95)) for number, time in enumerate(times)
    }
    path = tmp_path / "history.parquet"
    canonical_frame(rows, reported=reported).write_parquet(path)
    return path


def number_of(transaction_id: str) -> int:
    return int(transaction_id.removeprefix("t-"))


def event_time(transaction_id: str) -> datetime:
    return TEN + timedelta(minutes=10 * number_of(transaction_id))


def reported_time(transaction_id: str) -> datetime:
    return event_time(transaction_id) + timedelta(minutes=95)


def full_hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def assert_replayed_in_order(server: FakeServer, method: str, until: datetime) -> None:
    """Each outcome arrives before the rows of every later hour than its report, and after its own hour's."""
    told: set[str] = set()
    newest_hour = TEN - HOUR
    for arrival in server.arrivals(method, "ReportOutcomes"):
        if arrival.method == "ReportOutcomes":
            told |= set(arrival.transaction_ids)
            continue
        newest_hour = full_hour(event_time(arrival.transaction_ids[-1]))
        assert all(reported_time(each) < newest_hour for each in told)
        due = {f"t-{number}" for number in range(60) if reported_time(f"t-{number}") < newest_hour}
        assert {each for each in due if reported_time(each) < until} == told


def test_every_row_is_scored_and_written_as_received(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    server.behaviour.probabilities = {"t-0": 0.1 + 0.2, "t-1": 5e-324, "t-2": 0.95}
    for name in ("out.parquet", "out.csv", "out.jsonl"):
        output = tmp_path / name
        result = run(server, "score", history, "--output", output, "--frame", 16)
        assert result.exit_code == 0, result.output
        written = {
            ".parquet": pl.read_parquet,
            ".csv": lambda path: pl.read_csv(path, try_parse_dates=True),
            ".jsonl": pl.read_ndjson,
        }[output.suffix](output)
        assert written["transaction_id"].to_list() == [f"t-{number}" for number in range(60)]
        assert written["fraud_probability"].to_list()[:4] == [0.1 + 0.2, 5e-324, 0.95, 0.25]
        assert written["decision"].to_list()[:3] == ["APPROVE", "APPROVE", "DECLINE"]
        assert set(written["model_version"]) == {"m-1"}
        assert written["error"].fill_null("").to_list() == [""] * 60
        assert written["source_row"].to_list() == list(range(60))
        assert {"account_id", "event_time", "institution_id", "merchant_id"} <= set(written.columns)
    frames = [len(each.transaction_ids) for each in server.arrivals("ScoreStream")]
    assert frames == [16, 16, 16, 12] * 3


def test_the_summary_counts_rows_decisions_and_latency(server: FakeServer, history: Path) -> None:
    server.behaviour.probabilities = {"t-2": 0.95}
    output = run(server, "score", history).output
    for fact in ("rows", "60", "decision APPROVE", "decision DECLINE", "m-1", "rows/s", "frame latency p99"):
        assert fact in output


def test_a_row_without_a_score_keeps_its_error_and_makes_exit_code_1(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    server.behaviour.refused["t-3"] = status(
        grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", violations=(("amount_minor", "above 0"),)
    )
    result = run(server, "score", history, "-o", tmp_path / "out.parquet")
    assert result.exit_code == 1
    assert "not scored: INVALID_FIELD" in result.output
    row = pl.read_parquet(tmp_path / "out.parquet").row(3, named=True)
    assert (row["fraud_probability"], row["decision"]) == (None, "")
    assert row["error"] == "INVALID_FIELD: amount_minor: above 0"


def test_only_rows_of_the_span_are_scored(server: FakeServer, history: Path) -> None:
    result = run(
        server, "score", history, "--from", "2026-03-02T11:00", "--until", "2026-03-02T07:00:00-05:00"
    )
    assert result.exit_code == 0
    assert server.arrivals("ScoreStream")[0].transaction_ids == tuple(
        f"t-{number}" for number in range(6, 12)
    )


def test_times_that_name_no_zone_are_in_that_of_the_mapping(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "lima.toml"
    columns = {name: name for name in ("transaction_id", "event_time", "account_id", "amount_minor")}
    lines = [*(f'{name} = "{column}"' for name, column in columns.items()), 'currency_code = "currency_code"']
    mapping.write_text("\n".join(["[columns]", *lines, "[time]", 'zone = "America/Lima"']))
    span = ("--from", "2026-03-02T06:00", "--until", "2026-03-02T07:00")
    result = run(server, "score", history, "--mapping", mapping, *span)
    assert result.exit_code == 0, result.output
    assert server.arrivals("ScoreStream")[0].transaction_ids == tuple(
        f"t-{number}" for number in range(6, 12)
    )


def test_outcomes_arrive_before_the_hour_after_their_report_and_no_sooner(
    server: FakeServer, history: Path
) -> None:
    result = run(server, "score", history, "--report-outcomes", "--frame", 4, "--in-flight", 3)
    assert result.exit_code == 0, result.output
    assert_replayed_in_order(server, "ScoreStream", datetime.max.replace(tzinfo=UTC))
    frames = server.arrivals("ScoreStream")
    assert [len(each.transaction_ids) for each in frames] == [4, 2] * 10  # no frame crosses an hour
    told = [each for arrival in server.arrivals("ReportOutcomes") for each in arrival.transaction_ids]
    assert told == [f"t-{number}" for number in range(60)]
    assert server.stream_count == 1


def test_outcomes_wait_until_every_frame_before_is_answered(server: FakeServer, history: Path) -> None:
    # An outcome of a row that is still on its way would be refused: the server does not know it yet.
    result = run(server, "score", history, "--report-outcomes", "--frame", 1, "--in-flight", 8)
    assert "outcomes refused" not in result.output


def test_outcomes_of_rows_before_the_span_are_told_when_they_become_known_within(
    server: FakeServer, history: Path
) -> None:
    since, until = "2026-03-02T14:00:00Z", "2026-03-02T16:00:00Z"
    assert run(server, "backfill", history, "--until", since).exit_code == 0
    before = {each for arrival in server.arrivals("ReportOutcomes") for each in arrival.transaction_ids}
    assert before == {f"t-{number}" for number in range(60) if reported_time(f"t-{number}") < TEN + 4 * HOUR}
    result = run(server, "score", history, "--from", since, "--until", until, "--report-outcomes")
    assert result.exit_code == 0
    assert "outcomes refused" not in result.output
    told = {
        each for arrival in server.arrivals("ReportOutcomes") for each in arrival.transaction_ids
    } - before
    assert told == {
        f"t-{number}"
        for number in range(60)
        if TEN + 4 * HOUR <= reported_time(f"t-{number}") < TEN + 6 * HOUR
    }


def test_unknown_transactions_are_counted_and_no_failure(server: FakeServer, history: Path) -> None:
    result = run(server, "score", history, "--from", "2026-03-02T14:00", "--report-outcomes")
    assert result.exit_code == 0
    assert "outcomes refused: TRANSACTION_NOT_FOUND" in result.output


def test_a_backfill_has_rows_and_outcomes_in_the_same_order(server: FakeServer, history: Path) -> None:
    until = "2026-03-02T18:00:00Z"
    result = run(server, "backfill", history, "--until", until)
    assert result.exit_code == 0, result.output
    assert_replayed_in_order(server, "Backfill", TEN + 8 * HOUR)
    taken = [each for arrival in server.arrivals("Backfill") for each in arrival.transaction_ids]
    assert taken == [f"t-{number}" for number in range(48)]
    assert "rows taken" in result.output
    again = run(server, "backfill", history, "--until", until)
    assert again.exit_code == 0
    assert "rows known before" in again.output


def test_a_backfill_continues_where_another_ended(server: FakeServer, history: Path) -> None:
    assert run(server, "backfill", history, "--until", "2026-03-02T13:00").exit_code == 0
    assert (
        run(
            server, "backfill", history, "--since", "2026-03-02T13:00", "--until", "2026-03-02T20:00"
        ).exit_code
        == 0
    )
    taken = [each for arrival in server.arrivals("Backfill") for each in arrival.transaction_ids]
    assert taken == [f"t-{number}" for number in range(60)]
    told = [each for arrival in server.arrivals("ReportOutcomes") for each in arrival.transaction_ids]
    assert told == [f"t-{number}" for number in range(60) if reported_time(f"t-{number}") < TEN + 10 * HOUR]


def test_the_help_of_backfill_says_how_much_may_be_run_again() -> None:
    words = " ".join(run("", "backfill", "--help").output.replace("│", " ").split())
    assert "recent_transactions, 2 million by default" in words
    assert "A longer history that is run twice is counted twice" in words


def test_a_refused_past_row_makes_exit_code_1(server: FakeServer, history: Path) -> None:
    server.behaviour.refused["t-3"] = status(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    result = run(server, "backfill", history, "--until", "2026-03-03")
    assert result.exit_code == 1
    assert "refusals listed: INVALID_FIELD" in result.output


def test_outcomes_of_a_file_are_told_at_once(server: FakeServer, history: Path) -> None:
    run(server, "score", history)
    result = run(server, "outcomes", history)
    assert result.exit_code == 0
    assert [len(each.transaction_ids) for each in server.arrivals("ReportOutcomes")] == [60]


def test_outcomes_need_no_more_than_ids_labels_and_their_times(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    run(server, "score", history)
    reports = tmp_path / "chargebacks.csv"
    reports.write_text("id,reported\nt-3,2026-03-09T10:00:00Z\nt-5,2026-03-10T10:00:00Z\n")
    mapping = tmp_path / "chargebacks.toml"
    mapping.write_text(
        '[columns]\ntransaction_id = "id"\n'
        '[label]\ncolumn = "id"\nfraud = ["t-3", "t-5"]\nreported_time = "reported"\n'
    )
    result = run(server, "outcomes", reports, "--mapping", mapping)
    assert result.exit_code == 0, result.output
    assert server.arrivals("ReportOutcomes")[0].transaction_ids == ("t-3", "t-5")


def test_refused_outcomes_make_exit_code_1(server: FakeServer, history: Path) -> None:
    result = run(server, "outcomes", history)
    assert result.exit_code == 1
    assert "TRANSACTION_NOT_FOUND" in result.output


def test_rows_that_break_the_rules_are_not_passed_over_in_silence(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    rows = pl.read_parquet(history)
    repeated = pl.concat([rows] * 3).with_columns(
        pl.format("t-{}", pl.int_range(pl.len())).alias("transaction_id"),
        pl.when(pl.int_range(pl.len()) == 7).then(-1).otherwise("amount_minor").alias("amount_minor"),
    )
    repeated.write_parquet(history)
    result = run(server, "score", history, "--rejects", tmp_path / "rejects.csv")
    assert result.exit_code == 1
    assert "rows of the files rejected" in result.output
    assert "amount_minor" in result.output
    assert pl.read_csv(tmp_path / "rejects.csv")["source_row"].to_list() == [7]
    assert sum(len(each.transaction_ids) for each in server.arrivals("ScoreStream")) == 179


def test_models_are_listed_as_a_table_or_as_json(server: FakeServer) -> None:
    model = model_pb2.Model(
        model_version="m-2", state=model_pb2.MODEL_STATE_REFUSED, metrics={"average_precision": 0.81234}
    )
    model.refusal.reason = model_pb2.MODEL_REFUSAL_REASON_HASH_MISMATCH
    model.refusal.message = "model.onnx [sic]"
    server.behaviour.models.append(model)
    table = run(server, "models").output
    for part in ("m-1", "LIVE", "average_precision 0.8123", "HASH_MISMATCH: model.onnx [sic]"):
        assert part in table
    first, second = json.loads(run(server, "models", "--json").output)
    assert (first["state"], second["state"]) == ("LIVE", "REFUSED")
    assert second["metrics"] == {"average_precision": 0.81234}


def test_a_server_that_is_not_there_is_told_in_one_sentence(history: Path) -> None:
    with FakeServer() as gone:
        address = gone.address
    for command in (
        ["score", history],
        ["models"],
        ["outcomes", history],
        ["backfill", history, "--until", "2027-01-01"],
    ):
        result = run(address, *command)
        assert result.exit_code == 2
        assert f"No server answers at {address}" in result.output
        assert "Traceback" not in result.output


def test_no_live_model_is_told_before_files_are_read(server: FakeServer, tmp_path: Path) -> None:
    server.behaviour.models.clear()
    unreadable = tmp_path / "unreadable.parquet"
    unreadable.write_bytes(b"no parquet")
    result = run(server, "score", unreadable)
    assert result.exit_code == 2
    assert "has no live model" in result.output


def test_a_stream_that_breaks_leaves_the_answered_rows_and_exit_code_2(
    server: FakeServer, history: Path, tmp_path: Path
) -> None:
    server.behaviour.frames_until_break = 2
    result = run(server, "score", history, "--frame", 10, "--in-flight", 1, "-o", tmp_path / "out.csv")
    assert result.exit_code == 2
    assert "Not all rows were answered" in result.output
    written = pl.read_csv(tmp_path / "out.csv")
    assert written["fraud_probability"].count() == 20
    assert written["error"].fill_null("").str.starts_with("SHUTTING_DOWN").sum() == 40


def test_wrong_use_is_told_with_exit_code_2(server: FakeServer, history: Path) -> None:
    for arguments, words in (
        (["score", history, "-o", "out.xlsx"], ".parquet, .csv or .jsonl"),
        (["score", history, "--from", "yesterday"], "is not an ISO time"),
        (["score", history, "--mapping", "not-there.toml"], "no mapping"),
        (["score", "not-there.parquet"], "no such file"),
        (["backfill", history], "--until"),
        (["score", history, "--frame", "0"], "--frame"),
    ):
        result = run(server, *arguments)
        assert result.exit_code == 2, arguments
        assert words in result.output
        assert "Traceback" not in result.output


@pytest.mark.parametrize("command", ["score", "backfill", "outcomes", "models"])
def test_the_help_of_each_command_shows_how_to_use_it(command: str) -> None:
    result = run("", command, "--help")
    assert result.exit_code == 0
    assert f"kuntur {command}" in result.output
