"""A server's memory stays where it is, however many models and callers come and go."""

from __future__ import annotations

import os
from pathlib import Path

from kuntur.bundle.bundle import Registry
from tests.support.bundles import publish_constant
from tests.support.programs.server_process import ServerProcess
from tests.support.serving import Stubs, frame, stubs_for, transaction, unary, wait_until

_MIB = 1 << 20
_NOISE = 4 * _MIB  # what the allocator keeps for later; one leaked model or 1,000 leaked streams are more


def _memory(server: ServerProcess) -> int:
    """Returns the bytes that a server of one process holds."""
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _version(stubs: Stubs) -> str:
    answer = stubs.scoring.ScoreTransaction(unary(transaction("of-which-model")))
    return str(answer.score.model_version)


def test_three_hundred_models_leave_memory_where_it_was(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    for version, probability in (("m-1", 0.1), ("m-2", 0.2)):
        publish_constant(registry, version, probability)
    chosen = Registry(registry)
    with ServerProcess("--registry", str(registry)) as server, stubs_for(server.address) as stubs:
        wait_until(lambda: server.wrote("model is live"))
        held = []
        for number in range(300):
            version = f"m-{1 + number % 2}"
            chosen.set_live(version)
            wait_until(lambda version=version: _version(stubs) == version)  # type: ignore[misc]
            held.append(_memory(server))
        assert max(held[250:]) - max(held[50:100]) < _NOISE


def test_thousands_of_cancelled_streams_leave_memory_where_it_was(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    publish_constant(registry, "m-1", 0.1)
    with ServerProcess("--registry", str(registry)) as server, stubs_for(server.address) as stubs:
        wait_until(lambda: server.wrote("model is live"))
        held = []
        for number in range(5000):
            stream = stubs.scoring.ScoreStream(iter([frame(transaction(f"t-{number % 100}"))]))
            if number % 2:
                next(stream)
            stream.cancel()
            if number % 500 == 499:
                held.append(_memory(server))
        assert max(held[7:]) - max(held[1:4]) < _NOISE
