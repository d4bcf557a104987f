from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import grpc
import polars as pl
import pytest

from clients import AsyncClient, AsyncPackingScorer, Client, ClientConfig, PackingScorer, ReasonsMode
from clients.scored import ScoredRows, write
from kuntur.api.v1 import score_pb2
from tests.fakes.scoring_server import FakeServer, status
from tests.unit.clients.conftest import transactions
from tests.unit.clients.test_cli import history, run  # noqa: F401  # a fixture

ALL, NONE = ReasonsMode.ALL, ReasonsMode.NONE


def test_the_modes_are_those_of_the_contract() -> None:
    numbers = dict(score_pb2.ReasonsMode.items())
    assert {mode.value for mode in ReasonsMode} == set(numbers.values())
    assert numbers["REASONS_MODE_ALL"] == ALL
    assert numbers["REASONS_MODE_NONE"] == NONE


def test_each_way_to_score_asks_for_the_reasons_it_was_told(server: FakeServer, client: Client) -> None:
    few = transactions(3)
    assert client.score(few[0]).reasons[0].feature == "amount_log"
    client.score(few[0], reasons=ALL)
    client.score_many(few, reasons=NONE)
    list(client.score_stream(few, reasons=ALL, frame_transactions=2))
    with PackingScorer(client, reasons=ALL) as packing:
        packing.submit(few[0])
    assert server.reasons_modes == [0, 1, 2, 1, 1, 1]


def test_each_awaited_way_does_so_too(server: FakeServer, config: ClientConfig) -> None:
    async def story() -> None:
        few = transactions(3)
        async with AsyncClient(config=config) as client:
            await client.score(few[0])
            await client.score(few[0], reasons=ALL)
            await client.score_many(few, reasons=NONE)
            async for _ in client.score_stream(few, reasons=ALL, frame_transactions=2):
                pass
            packing = AsyncPackingScorer(client, reasons=ALL)
            await packing.submit(few[0])
            await packing.close()

    asyncio.run(asyncio.wait_for(story(), 30))
    assert server.reasons_modes == [0, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl", "out.csv"])
def test_reasons_are_written_when_they_are_asked_for(
    server: FakeServer,
    history: Path,  # noqa: F811
    tmp_path: Path,
    name: str,
) -> None:
    output = tmp_path / name
    result = run(server, "score", history, "--output", output, "--reasons", "all", "--frame", "60")
    assert result.exit_code == 0, result.output
    wanted = [
        {"feature": "amount_log", "value": 3.5, "contribution": 0.7, "description": "An unusual amount."}
    ]
    if name.endswith(".csv"):
        assert json.loads(pl.read_csv(output)["reasons"][0]) == wanted
    else:
        read = pl.read_parquet(output) if name.endswith(".parquet") else pl.read_ndjson(output)
        assert read["reasons"].to_list()[0] == wanted
    assert server.reasons_modes == [1]


def test_only_those_to_review_are_asked_for_unless_all_are(server: FakeServer, history: Path) -> None:  # noqa: F811
    assert run(server, "score", history, "--reasons", "review").exit_code == 0
    assert run(server, "score", history).exit_code == 0
    assert set(server.reasons_modes) == {0}
    assert run(server, "score", history, "--reasons", "some").exit_code == 2


def test_without_the_option_a_file_has_no_reasons(
    server: FakeServer,
    history: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    run(server, "score", history, "--output", tmp_path / "out.parquet")
    assert "reasons" not in pl.read_parquet(tmp_path / "out.parquet").columns


def test_rows_without_reasons_or_values_keep_their_place(tmp_path: Path) -> None:
    scored = ScoredRows(with_reasons=True)
    unset = score_pb2.Reason(feature="hour", value=math.nan, contribution=-0.5, description="Not known")
    score = score_pb2.Score(transaction_id="t", fraud_probability=0.5, reasons=[unset])
    scored.add([score_pb2.ScoreResult(score=score), score_pb2.ScoreResult(score=score_pb2.Score())])
    scored.add([score_pb2.ScoreResult(status=status(grpc.StatusCode.INVALID_ARGUMENT))])
    rows = pl.DataFrame({name: ["x"] * 3 for name in (
        "source_row", "transaction_id", "institution_id", "event_time", "account_id",
        "counterparty_account_id", "merchant_id", "device_id",
    )})  # fmt: skip
    frame = scored.frame(rows)
    assert [len(each) for each in frame["reasons"].to_list()] == [1, 0, 0]
    assert frame["reasons"].to_list()[0][0]["value"] is None
    write(frame, tmp_path / "out.csv")
    texts = pl.read_csv(tmp_path / "out.csv")["reasons"].to_list()
    assert json.loads(texts[0])[0]["value"] is None
    assert texts[1:] == ["", ""]
