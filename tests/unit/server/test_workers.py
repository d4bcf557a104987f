from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from server.host.shared_port import SharedPort
from server.settings.config import ServerSettings, load_settings
from server.workers import supervisor
from server.workers.sharing import WorkerOrder


def test_an_order_carries_all_settings_and_their_secrets() -> None:
    settings = ServerSettings.model_validate({"redis": {"password": "hush"}, "workers": 2})
    line = WorkerOrder(1, settings.model_dump(), 6, 7).to_line()
    order = WorkerOrder.from_line(line)
    assert (order.number, order.buffer, order.region) == (1, 6, 7)
    assert ServerSettings(**order.settings) == settings
    assert line.endswith("\n")
    assert json.loads(line)["settings"]["redis"].items() >= {"password": "hush"}.items()


def test_a_worker_inherits_the_journals_buffer_and_the_region_if_there_is_one() -> None:
    assert WorkerOrder(0, {}, 6, 7).descriptors == (6, 7)
    assert WorkerOrder(0, {}, 6, None).descriptors == (6,)


def test_a_shared_port_is_for_those_alone_who_reuse_it() -> None:
    port = SharedPort("127.0.0.1:0")
    try:
        where = ("127.0.0.1", port.port)
        assert port.listen_address == f"127.0.0.1:{port.port}"
        with socket.socket() as worker, socket.socket() as stranger:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(where)
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                stranger.bind(where)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port.port}: Address already in use"):
            SharedPort(port.listen_address)
    finally:
        port.close()


def test_a_port_where_another_server_listens_is_not_shared_with_it() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OSError, match="cannot listen on"):
            SharedPort(f"127.0.0.1:{other.getsockname()[1]}")


def test_workers_sign_nothing_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__SIGNING__KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("KUNTUR_SERVER_JOURNAL__CHECKPOINTS", f'["{tmp_path}/elsewhere"]')
    orders: list[WorkerOrder] = []
    monkeypatch.setattr(supervisor, "WorkerProcess", orders.append)
    settings = load_settings(
        None, {"listen_address": "127.0.0.1:0", "journal": {"path": tmp_path / "journal"}}
    )
    assert settings.journal.signing.keys == tmp_path / "keys"
    server = supervisor.Supervisor(settings, 1)
    server._start_one(0)
    server._running.clear()
    server.stop()
    taken = ServerSettings(**WorkerOrder.from_line(orders[0].to_line()).settings)
    assert taken.journal.path == tmp_path / "journal"
    assert (taken.journal.signing.keys, taken.journal.checkpoints) == (None, ())
