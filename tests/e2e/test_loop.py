"""The main job at small scale: train, publish, serve, learn from what was served, reload."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clients import Client
from clients.cli.scoring import OutcomeTally, ScoringRun
from clients.replay import hourly_steps, joined_steps, outcomes_between, rows_between
from clients.values.messages import messages_in_blocks, outcomes_in_blocks
from demo import check
from kuntur.api.v1 import history_service_pb2
from kuntur.bundle.bundle import Registry, read_bundle
from kuntur.hash_key import DEFAULT_HASH_KEY, secret_from_hex
from kuntur.tables import Mapping, Table, read
from server.app import ServerApp
from server.settings.config import load_settings
from trainer.app import run
from trainer.dataset.history import replay
from trainer.progress import Silent
from trainer.release.replay import differences, score
from trainer.settings.config import TrainerSettings, load
from trainer.synthetic import SyntheticConfig, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_START = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST, _SECOND = _START + timedelta(days=45), _START + timedelta(days=55)
_END = _START + timedelta(days=62)
_FRAME = 64


def _settings(root: Path, data: dict[str, object], *, force: bool = False) -> TrainerSettings:
    overrides: dict[str, object] = {
        "data": data,
        "split": {
            "label_delay_days": 7,
            "select_days": 5,
            "calibrate_days": 5,
            "test_days": 5,
            "warm_up_days": 3,
        },
        "search": {"trials": 1, "algorithms": ("xgboost",), "max_rounds": 40},
        "gate": {"force": force},
        "registry": root / "registry",
        "work": root / "work",
    }
    return load(None, overrides)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    path = tmp_path_factory.mktemp("data") / "transactions.parquet"
    config = SyntheticConfig(
        transactions=20_000, accounts=750, merchants=400, days=60, start=_START.date(), fraud_rate=0.02
    )
    write(config, path)
    return read([str(path)], Mapping.load("kuntur"))


@pytest.fixture(scope="module")
def data_path(tmp_path_factory: pytest.TempPathFactory, table: Table) -> Path:
    path = tmp_path_factory.mktemp("source") / "transactions.parquet"
    table.frame.drop("source_row").write_parquet(path)
    return path


def _warm(client: Client, table: Table) -> None:
    rows, known = rows_between(table.frame, None, _FIRST), outcomes_between(table.frame, None, _FIRST)
    messages, tally = messages_in_blocks(rows), OutcomeTally(client, outcomes_in_blocks(known))
    for step in joined_steps(hourly_steps(rows, known)):
        tally.tell(step.outcome_count)
        batch = [next(messages) for _ in range(step.start, step.stop)]
        client.send_history(
            history_service_pb2.BackfillRequest(transactions=batch[i : i + 4096])
            for i in range(0, len(batch), 4096)
        )


def _stream(address: str, rows: pl.DataFrame, known: pl.DataFrame) -> ScoringRun:
    with Client(address) as client:
        run = ScoringRun(
            client,
            messages_in_blocks(rows),
            OutcomeTally(client, outcomes_in_blocks(known)),
            frame_transactions=_FRAME,
            max_in_flight_frames=4,
            on_answer=lambda _: None,
        )
        run.run(hourly_steps(rows, known))
        return run


def test_the_loop_runs_and_served_scores_are_the_replays_bit_for_bit(
    tmp_path: Path, table: Table, data_path: Path
) -> None:
    registry = Registry(tmp_path / "registry")
    first = run(
        _settings(tmp_path, {"paths": (str(data_path),), "until": _FIRST}), Silent()
    ).manifest.model_version
    assert registry.live_version() == first

    settings = load_settings(
        None,
        {
            "listen_address": "127.0.0.1:0",
            "registry_path": registry.path,
            "journal": {"path": tmp_path / "journal", "sync_interval_s": 0.05},
            "models": {"poll_interval_s": 0.1},
        },
    )
    with ServerApp(settings) as app:
        address = f"127.0.0.1:{app.port}"
        with Client(address) as client:
            client.wait_until_ready(600)
            _warm(client, table)
        weeks = _stream(
            address,
            rows_between(table.frame, _FIRST, _SECOND),
            outcomes_between(table.frame, _FIRST, _SECOND),
        )

        # Traffic goes on in a thread of its own while the retraining runs and its model goes live.
        rest: list[ScoringRun] = []
        live = threading.Event()
        later = rows_between(table.frame, _SECOND, _END)
        half = later.height // 2
        cut_at = later["event_time"][half].replace(minute=0, second=0, microsecond=0)

        def traffic() -> None:
            for since, until in ((_SECOND, cut_at), (cut_at, _END)):
                rows = rows_between(later, since, until)
                rest.append(_stream(address, rows, outcomes_between(table.frame, since, until)))
                live.wait(300)

        thread = threading.Thread(target=traffic)
        thread.start()
        try:
            # By force, since on so few frauds no model can be shown to be better than another.
            settings_again = _settings(
                tmp_path, {"journal": tmp_path / "journal", "until": _SECOND}, force=True
            )
            second = run(settings_again, Silent()).manifest.model_version
            with Client(address) as client:
                while client.live_model().model_version != second:
                    time.sleep(0.05)
        finally:
            live.set()
            thread.join()

    assert second != first
    served = pl.concat([part.scored.frame(rows) for part, rows in _with_rows([weeks, *rest], table, cut_at)])
    assert all(part.scored.error_count == 0 for part in (weeks, *rest))
    assert set(served["model_version"]) == {first, second}
    replayed = replay(table, secret_from_hex(DEFAULT_HASH_KEY))
    scores = {version: score(registry.path / version, replayed) for version in (first, second)}
    assert differences(served, replayed, scores).height == 0
    assert served.height == rows_between(table.frame, _FIRST, _END).height

    after = (table.frame["event_time"] >= _FIRST).to_numpy()
    found = check.detection(registry.path / first, after, (_FIRST, _END), replayed, scores[first])
    assert found["average_precision"] > 10 * np.mean(replayed.is_fraud[after])
    learnt = read_bundle(registry.path / second).manifest
    assert (learnt.role, learnt.replaces) == ("champion", first)
    assert learnt.row_count == rows_between(table.frame, None, _SECOND).height


def _with_rows(
    runs: list[ScoringRun], table: Table, cut_at: datetime
) -> list[tuple[ScoringRun, pl.DataFrame]]:
    spans = ((_FIRST, _SECOND), (_SECOND, cut_at), (cut_at, _END))
    return [(part, rows_between(table.frame, *span)) for part, span in zip(runs, spans, strict=True)]
